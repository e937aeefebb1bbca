// Networks: every spelling that counts, and the same answer as Node's own block list for random ones.

import { BlockList } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { compileCidrs } from '../../src/runtime/index.ts';

const matches = (networks: readonly string[], ip: string): boolean => compileCidrs(networks).matcher.has(ip);

t.test('networks and single addresses of both families', (t) => {
  t.ok(matches(['10.0.0.0/8'], '10.255.0.1'));
  t.notOk(matches(['10.0.0.0/8'], '11.0.0.0'));
  t.ok(matches(['10.1.2.3/8'], '10.9.9.9'), 'bits behind the prefix are ignored');
  t.ok(matches(['192.0.2.7'], '192.0.2.7'));
  t.notOk(matches(['192.0.2.7'], '192.0.2.6'));
  t.ok(matches(['0.0.0.0/0'], '255.255.255.255'));
  t.notOk(matches(['0.0.0.0/0'], '2001:db8::1'), 'all of IPv4 is none of IPv6');
  t.ok(matches(['::/0'], '2001:db8::1'));
  t.ok(matches(['fd00::/8'], 'fdff:1:2:3:4:5:6:7'));
  t.notOk(matches(['fd00::/9'], 'fd80::'));
  t.ok(matches(['2001:db8::/33'], '2001:db8:7fff::'));
  t.notOk(matches(['2001:db8::/33'], '2001:db8:8000::'));
  t.notOk(matches([], '10.0.0.1'));
  t.end();
});

t.test('mapped addresses and zones', (t) => {
  t.ok(matches(['10.0.0.0/8'], '::ffff:10.0.0.1'));
  t.ok(matches(['10.0.0.0/8'], '::FFFF:a00:1'));
  t.ok(matches(['::ffff:10.0.0.0/104'], '10.2.3.4'));
  t.notOk(matches(['::/0'], '::ffff:10.0.0.1'), 'a mapped address is IPv4 and nothing else');
  t.ok(matches(['fe80::/10'], 'fe80::1%eth0'));
  t.end();
});

const nonsense = [
  '',
  '10.0.0',
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/08',
  '010.0.0.1',
  '256.1.1.1',
  '1.2.3.4.5',
  '::/129',
  ':::',
  '1::2::3',
];
const nonsense6 = [
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7:8::',
  '12345::',
  'g::',
  '1:',
  ':1',
  '::1.2.3',
  '1:2:3:4:5:6:7:1.2.3.4',
];

t.test('what is no network is a problem and costs its neighbours nothing', (t) => {
  for (const text of [...nonsense, ...nonsense6]) {
    const { matcher, problems } = compileCidrs([text, '10.0.0.0/8']);
    t.equal(problems.length, 1, text);
    t.ok(problems[0]?.includes(`"${text}"`));
    t.ok(matcher.has('10.0.0.1'));
    t.notOk(compileCidrs(['0.0.0.0/0', '::/0']).matcher.has(text.split('/')[0] === text ? text : `${text}!`), text);
  }
  t.end();
});

// One family at a time: for a block list ::/0 holds mapped addresses, and so all of IPv4.
for (const [family, address, most] of [
  ['ipv4', fc.ipV4(), 32],
  ['ipv6', fc.ipV6().filter((ip) => !/^[0:]*:ffff:/i.test(ip)), 128],
] as const) {
  t.test(`agrees with the block list of Node on ${family}`, (t) => {
    const networks = fc.array(fc.tuple(address, fc.integer({ min: 0, max: most })), { minLength: 1, maxLength: 5 });
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(networks, address, (list, stranger) => {
          const oracle = new BlockList();
          for (const [ip, bits] of list) oracle.addSubnet(ip, bits, family);
          const { matcher, problems } = compileCidrs(list.map(([ip, bits]) => `${ip}/${bits}`));
          const asked = [stranger, ...list.map(([ip]) => ip)];
          return problems.length === 0 && asked.every((ip) => matcher.has(ip) === oracle.check(ip, family));
        }),
      ),
    );
    t.end();
  });
}
