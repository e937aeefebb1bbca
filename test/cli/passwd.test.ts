// isthmus passwd: a line that the users file understands, out of a password from stdin.

import t from 'tap';
import { parseUsers } from '../../proxies/access/index.ts';
import { runIsthmus } from './run-isthmus.ts';

t.test('prints a line for a users file', async (t) => {
  const { code, stdout, stderr } = await runIsthmus(['passwd', 'main.frame-1'], { input: 'correct horse\n' });
  t.equal(code, 0);
  t.equal(stderr, '');
  t.match(stdout, /^main\.frame-1: "scrypt\$\d+\$8\$1\$[A-Za-z0-9+/]+=*\$[A-Za-z0-9+/]+=*"\n$/);
  const { users, problems } = parseUsers(stdout);
  t.strictSame([[...users.keys()], problems], [['main.frame-1'], []], 'and the users file reads it');
  t.notMatch(stdout, /horse/);
});

t.test('another salt each time', async (t) => {
  const [a, b] = await Promise.all([1, 2].map(() => runIsthmus(['passwd', 'bob'], { input: 'same' })));
  t.equal(a?.code, 0);
  t.not(a?.stdout, b?.stdout);
});

t.test('an empty or endless password is refused', async (t) => {
  t.match(await runIsthmus(['passwd', 'bob']), { code: 2, stdout: '', stderr: /password is empty/ });
  t.match(await runIsthmus(['passwd', 'bob'], { input: 'x'.repeat(300) }), {
    code: 2,
    stdout: '',
    stderr: /longer than 255/,
  });
});
