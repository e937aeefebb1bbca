// Upstream addresses, their order, and which of them are ourselves.

import t from 'tap';
import { networkInterfaces } from 'node:os';
import { createLoopGuard } from '../../../dns/forwarding/loop-guard.ts';
import { byPreference, parseUpstream, penalise } from '../../../dns/forwarding/upstreams.ts';

t.test('addresses', async (t) => {
  const cases = [
    ['10.0.0.2', '10.0.0.2 53'],
    ['10.0.0.2:5353', '10.0.0.2 5353'],
    ['2001:DB8::1', '2001:db8::1 53'],
    ['[2001:db8::1]', '2001:db8::1 53'],
    ['[2001:db8::1]:5353', '2001:db8::1 5353'],
    ['dns.example:53', null],
    ['10.0.0.2:0', null],
    ['10.0.0.2:99999', null],
    ['', null],
  ] as const;
  for (const [text, wanted] of cases) {
    const upstream = parseUpstream(text);
    t.equal(upstream === null ? null : `${upstream.ip} ${upstream.port}`, wanted, text);
  }
});

t.test('who failed comes last, until it is forgiven', async (t) => {
  const list = ['10.0.0.1', '10.0.0.2'].flatMap((text) => parseUpstream(text) ?? []);
  const order = (now: number): string =>
    byPreference(list, now)
      .map(({ ip }) => ip.slice(-1))
      .join('');
  t.equal(order(0), '12');
  if (list[0] !== undefined) penalise(list[0], 1000);
  t.equal(order(1001), '21');
  t.equal(order(11_001), '12');
});

t.test('our own listeners', async (t) => {
  const exact = createLoopGuard([{ address: '127.0.0.1', port: 53 }]);
  t.ok(exact('127.0.0.1', 53));
  t.ok(exact('::ffff:127.0.0.1', 53));
  t.notOk(exact('127.0.0.1', 54));
  t.notOk(exact('127.0.0.2', 53));
  const wild = createLoopGuard([{ address: '0.0.0.0', port: 53 }]);
  const machine = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
  for (const ip of ['127.0.0.1', '127.0.0.53', '0.0.0.0', ...machine.filter((text) => !text.startsWith('fe80'))])
    t.ok(wild(ip, 53), ip);
  t.notOk(wild('192.0.2.1', 53));
  t.notOk(wild('127.0.0.1', 54));
});
