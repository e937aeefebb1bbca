// The grammar of names: tables taken from the tests of the programs whose names we speak (specs/dns.md §1, fixtures/dns).

import t from 'tap';
import fc from 'fast-check';
import {
  dcosBase,
  domainFragment,
  hash5,
  rfc1123Label,
  rfc952Label,
  slaveTail,
  srvOwner,
  taskForms,
} from '../../dns/naming.ts';

const a = 'a'.repeat(62);

t.test('RFC 1123 labels', async (t) => {
  const cases = [
    ['', ''],
    ['my_long-Label..x', 'my-long-label--x'],
    ['-a-', 'a'],
    ['9lives', '9lives'],
    ['/prod/kafka', 'prodkafka'],
    ['###&&', ''],
    ['Ünïcode', 'ncode'],
    [`${a}--bcd`, `${a}b`],
    [`${a}-bcd`, `${a}b`],
    [`${'a'.repeat(60)}----bcd`, `${'a'.repeat(60)}bcd`],
  ] as const;
  for (const [text, label] of cases) t.equal(rfc1123Label(text), label, text);
});

t.test('RFC 952 labels', async (t) => {
  const cases = [
    ['9lives', 'lives'],
    ['-9-lives-', 'lives'],
    ['abc123-', 'abc123'],
    ['89fdgsf---gs7-fgs--d7fddg---123', 'fdgsf---gs7-fgs--d7fddg1'],
    [`${a}--bcd`, 'a'.repeat(24)],
  ] as const;
  for (const [text, label] of cases) t.equal(rfc952Label(text), label, text);
});

t.test('labels hold what they may and are no longer than they may', async (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'Z', '0', '9', '-', '_', '.', ' ', 'é'), maxLength: 100 }),
      (text) => {
        return (
          /^(?!-)[a-z0-9-]{0,63}$/.test(rfc1123Label(text)) && /^(?![-0-9])[a-z0-9-]{0,24}$/.test(rfc952Label(text))
        );
      },
    ),
    { numRuns: 1000 },
  );
  t.pass('it held for every case');
});

t.test('framework names keep their dots', async (t) => {
  t.equal(domainFragment('marathon.prod', rfc1123Label), 'marathon.prod');
  t.equal(domainFragment('..a..c.e.', rfc1123Label), 'a.c.e');
  t.equal(domainFragment('.', rfc1123Label), '');
});

t.test('hash and agent', async (t) => {
  t.equal(hash5(''), '5eh48');
  t.equal(hash5('a'), 'o556e');
  t.equal(hash5('app.sub.group.1b2c3d4e-0000-11ea-8d71-362b9e155667'), 'u3no4');
  t.equal(hash5('liquor-store.b71166c1-562f-11e4-a088-c20493233aa5'), 'zasmd');
  t.equal(slaveTail('20140827-000744-3041283216-5050-2116-S0'), 's0');
  t.equal(slaveTail('S7'), 's7');
});

const task = { taskId: 'a', agentId: 'x-S0', name: 'ignored', discoveryName: 'app.Sub.group' };

t.test('a discovery name is published raw and mangled', async (t) => {
  t.strictSame(taskForms(task, rfc1123Label), {
    forms: [
      { label: 'app.sub.group', canonical: 'app.sub.group-o556e-s0', srvLabel: '_app.sub.group' },
      { label: 'app-sub-group', canonical: 'app-sub-group-o556e-s0', srvLabel: '_app-sub-group' },
    ],
    problems: [],
  });
});

t.test('without one the task name is published mangled', async (t) => {
  const { forms } = taskForms({ ...task, name: 'My.Task', discoveryName: null }, rfc1123Label);
  t.strictSame(forms, [{ label: 'my-task', canonical: 'my-task-o556e-s0', srvLabel: '_my-task' }]);
});

t.test('equal spellings are one', async (t) => {
  t.equal(taskForms({ ...task, discoveryName: 'web' }, rfc1123Label).forms.length, 1);
});

t.test('octets that are no letters are escaped in the raw form', async (t) => {
  const { forms } = taskForms({ ...task, discoveryName: 'my task' }, rfc1123Label);
  t.strictSame(
    forms.map(({ label }) => label),
    ['my\\032task', 'mytask'],
  );
});

t.test('a raw name that is no domain name leaves the mangled one', async (t) => {
  const { forms, problems } = taskForms({ ...task, discoveryName: 'a..b' }, rfc1123Label);
  t.strictSame(
    forms.map(({ label }) => label),
    ['a--b'],
  );
  t.match(problems, [/no domain name/]);
});

t.test('names that leave no room for hash or underscore are shortened', async (t) => {
  const long = 'b'.repeat(63);
  const { forms, problems } = taskForms({ ...task, discoveryName: long }, rfc1123Label);
  t.equal(forms[0]?.label, long);
  t.equal(forms[0]?.canonical, `${'b'.repeat(54)}-o556e-s0`, 'the hash is kept');
  t.equal(forms[0]?.srvLabel, `_${'b'.repeat(62)}`);
  t.equal(problems.length, 2);
});

t.test('SRV owners', async (t) => {
  const [form] = taskForms({ ...task, discoveryName: 'web' }, rfc1123Label).forms;
  if (form === undefined) throw new Error('no form');
  t.equal(srvOwner(form, null, 'tcp', 'marathon.mesos.'), '_web._tcp.marathon.mesos.');
  t.equal(srvOwner(form, 'http', 'udp', 'marathon.mesos.'), '_http._web._udp.marathon.mesos.');
});

t.test('dcos-net makes one label of a name and one of its framework', async (t) => {
  t.equal(dcosBase('app.sub.group', 'marathon'), 'app-sub-group.marathon');
  t.equal(dcosBase('broker', '/prod/kafka'), 'broker.prodkafka');
  t.equal(dcosBase('###', 'marathon'), '');
});
