// Upstream addresses, their order, and which of them are ourselves.

import t from 'tap';
import { networkInterfaces } from 'node:os';
import { createLoopGuard } from '../../../dns/forwarding/loop-guard.ts';
import { byPreference, parseUpstream, patience, penalise, reward } from '../../../dns/forwarding/upstreams.ts';

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
  if (list[0] !== undefined) for (let i = 0; i < 4; i++) penalise(list[0], 20_000);
  if (list[1] !== undefined) penalise(list[1], 20_000);
  t.equal(order(31_000), '21', 'four failures weigh longer than one');
  t.equal(order(60_000), '12');
  if (list[0] !== undefined) {
    penalise(list[0], 120_000);
    reward(list[0], 120_000, 8);
  }
  t.equal(order(120_001), '12', 'an answer makes up for a failure');
});

t.test('patience follows the time that answers take', async (t) => {
  const upstream = parseUpstream('10.0.0.1');
  if (upstream === null) throw new Error('no upstream');
  t.equal(patience(upstream), 300);
  reward(upstream, 0, 100);
  t.equal(patience(upstream), 400);
  for (let i = 0; i < 30; i++) reward(upstream, 0, 1);
  t.equal(patience(upstream), 50);
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
