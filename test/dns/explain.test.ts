// Explanations: what answers a name and who gave it, or why nothing does.

import t from 'tap';
import { taskId } from '../../src/cluster/index.ts';
import { explainName, type ExplainOptions } from '../../dns/index.ts';
import { liveZone, putTask, sampleTask, workedExample } from './samples.ts';

const other = sampleTask({ id: taskId('b'), name: 'app-sub-groups' });
const { view } = liveZone({}, putTask(workedExample()), putTask(other));
const explain = (name: string, type = 'A', options: ExplainOptions = {}): ReturnType<typeof explainName> =>
  explainName(view.table, name, type, { sourcesOf: view.sourcesOf, ...options });

t.test('an answer, with the tasks behind it', async (t) => {
  const explained = explain('App-Sub-Group.marathon.mesos');
  t.match(explained, {
    name: 'app-sub-group.marathon.mesos.',
    outcome: 'answer',
    zone: 'mesos.',
    records: [{ line: 'app-sub-group.marathon.mesos. 60 IN A 9.0.1.2', sources: [workedExample().key] }],
  });
  t.ok(explained.lines.some((line) => line.includes(workedExample().key)));
});

t.test('a type that is missing', async (t) => {
  const explained = explain('app-sub-group.marathon.mesos', 'SRV');
  t.match(explained, { outcome: 'type missing', types: ['A'], records: [] });
  t.match(explained.lines.join('\n'), /it has: A/);
  t.match(explain('marathon.mesos'), { outcome: 'type missing' }, 'only names below it exist');
});

t.test('a name that is unknown, with those that are near', async (t) => {
  const explained = explain('app-sub-grop.marathon.mesos');
  t.match(explained, { outcome: 'name unknown', zone: 'mesos.' });
  t.strictSame(explained.nearest.slice(0, 2), ['app-sub-group.marathon.mesos.', 'app-sub-groups.marathon.mesos.']);
  t.strictSame(explain('zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz.mesos').nearest, []);
});

t.test('names that are not ours', async (t) => {
  t.match(explain('www.example.com'), { outcome: 'forwarded', zone: null });
  t.match(explain('www.example.com', 'A', { hasUpstreams: false }), { outcome: 'refused' });
  t.match(explain('a.corp.example', 'A', { forwardZones: ['corp.example'], hasUpstreams: false }), {
    outcome: 'forwarded',
    lines: [/./, /corp\.example/],
  });
  t.match(explain('foo.nosuchzone.thisdcos.directory'), { outcome: 'refused' });
});

t.test('another spelling of a zone', async (t) => {
  const explained = explain('app-sub-group.marathon.mesos.thisdcos.global');
  t.match(explained, { outcome: 'answer', name: 'app-sub-group.marathon.mesos.' });
  t.match(explained.lines.join('\n'), /mesos\.thisdcos\.global\. is another spelling of mesos\./);
});

t.test('what cannot be asked', async (t) => {
  t.match(explain('a..b'), { outcome: 'invalid' });
  t.match(explain('web.mesos', 'NONSENSE'), { outcome: 'invalid' });
  t.match(explainName(new Map(), 'web.mesos', 'A'), { outcome: 'not ready' });
});

t.test('reverse names', async (t) => {
  const { view } = liveZone({}, putTask(workedExample()));
  t.match(explainName(view.table, '2.1.0.9.in-addr.arpa', 'PTR'), { outcome: 'answer', zone: 'in-addr.arpa.' });
  t.match(explainName(view.table, '9.9.0.10.in-addr.arpa', 'PTR'), { outcome: 'name unknown' });
  const options = { hasUpstreams: true };
  t.match(explainName(view.table, '8.8.8.8.in-addr.arpa', 'PTR', options), { outcome: 'forwarded' });
  const forwardZones = ['10.in-addr.arpa'];
  t.match(explainName(view.table, '9.9.0.10.in-addr.arpa', 'PTR', { ...options, forwardZones }), {
    outcome: 'forwarded',
  });
});
