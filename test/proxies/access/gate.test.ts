// The gate: how many at a time, how many a second, and whom it does not count.

import t from 'tap';
import { createGate } from '../../../proxies/access/gate.ts';
import { limitsOf, timeoutsOf } from '../../../proxies/access/settings.ts';
import type { Clock } from '../../../src/runtime/index.ts';

let time = 0;
const clock: Clock = { now: () => time, monotonic: () => time, after: () => ({ cancel: () => undefined }) };

t.test('connections in all and of one client', (t) => {
  const gate = createGate(limitsOf('socks', { connections: 3, perClient: 2 }), clock);
  t.strictSame(
    ['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.2', '10.0.0.3'].map((client) => gate.enter(client)),
    [null, null, 'limit', null, 'limit'],
  );
  gate.leave('10.0.0.1');
  t.equal(gate.active, 2);
  t.equal(gate.enter('10.0.0.1'), null);
  t.end();
});

t.test('new connections a second, after a burst', (t) => {
  const gate = createGate(limitsOf('socks', { newPerClient: 10, burstPerClient: 2 }), clock);
  const enter = (): string | null => gate.enter('10.0.0.1');
  t.strictSame([enter(), enter(), enter()], [null, null, 'rate']);
  time += 100;
  t.strictSame([enter(), enter()], [null, 'rate']);
  t.equal(gate.enter('10.0.0.2'), null, 'others are not held back');
  t.end();
});

t.test('loopback counts for the whole alone', (t) => {
  const gate = createGate(limitsOf('socks', { connections: 3, perClient: 1, burstPerClient: 1 }), clock);
  t.strictSame(
    ['127.0.0.1', '127.0.0.1', '::1', '127.0.0.2'].map((client) => gate.enter(client)),
    [null, null, null, 'limit'],
  );
  t.end();
});

t.test('0 is no limit, and no timeout', (t) => {
  const none = limitsOf('forwards', { connections: 0, perClient: 0, newPerClient: 0, burstPerClient: 0 });
  const gate = createGate(none, clock);
  t.ok(Array.from({ length: 500 }, () => gate.enter('10.0.0.1')).every((refusal) => refusal === null));
  t.equal(limitsOf('forwards').connections, 5_000);
  t.equal(limitsOf('socks').connections, 20_000);
  t.ok(timeoutsOf('socks', { headerMs: 0 }).headerMs > 1_000_000);
  t.equal(timeoutsOf('socks', { tunnelMs: 0 }).tunnelMs, 0);
  t.end();
});
