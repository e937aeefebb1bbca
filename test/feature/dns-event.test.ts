// One task event: only the names it touches are compiled anew, and the counter in /metrics says so. `npm run bench -- dns-event` is the
// same with 50,000 tasks.

import t from 'tap';
import { eventIn } from '../../bench/dns-event.ts';

t.setTimeout(60_000);

t.test('a task that moves changes its own names and no others', async (t) => {
  const { asked, changed, compiledWithout, compiledAfter } = await eventIn(300);
  t.ok(asked > 2000, 'there is much that could have changed');
  t.equal(compiledWithout, 0, 'what is asked again is not compiled again');
  t.equal(compiledAfter, changed.length, 'as many answers were compiled as differ');
  const others = changed.filter((question) => !/app-0[-.]|in-addr\.arpa\./.test(question));
  t.same(others, [], 'no name of another task is among them');
  t.match(changed.join(' '), /\bapp-0\.marathon\.mesos\. A\b/);
});
