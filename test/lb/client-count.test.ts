// Connections of one client to VIPs: who is counted as one, who is never counted, and what is reset.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import t from 'tap';
import { createClientCount } from '../../lb/user/client-count.ts';
import { createVipConnections } from '../../lb/user/vip-connections.ts';
import { createVipFlows } from '../../lb/user/vip-flows.ts';
import { createVipMeters } from '../../lb/user/vip-meters.ts';
import { backendKey, type Backend } from '../../src/cluster/index.ts';
import { createMetrics, systemClock } from '../../src/runtime/index.ts';
import { closeCode, listen } from '../runtime/loopback.ts';

t.test('an IPv4 address or an IPv6 /64 is a client', async (t) => {
  const count = createClientCount(1);
  t.ok(count.enter('192.0.2.1'));
  t.notOk(count.enter('192.0.2.1'));
  t.notOk(count.enter('::ffff:192.0.2.1'), 'mapped is the same');
  t.ok(count.enter('192.0.2.2'));
  t.ok(count.enter('2001:db8:0:1::1'));
  t.notOk(count.enter('2001:db8:0:1:ffff::2'));
  t.ok(count.enter('2001:db8:0:2::1'));
  count.leave('192.0.2.1');
  t.ok(count.enter('192.0.2.1'));
});

t.test('loopback is never counted, nor anybody where there is no limit', async (t) => {
  const [one, none] = [createClientCount(1), createClientCount(0)];
  for (let i = 0; i < 3; i++) {
    t.ok(one.enter('127.0.0.1') && one.enter('::1') && none.enter('192.0.2.1'));
  }
});

t.test('a connection too many of a client is reset, another after one has closed is not', async (t) => {
  const metrics = createMetrics();
  const meters = createVipMeters(metrics);
  const backend = createServer((socket) => void socket.on('error', () => undefined).resume());
  const port = await listen(backend);
  const key = backendKey('127.0.0.1', port);
  const only: Backend = { key, ip: '127.0.0.1', port, task: null, weight: 1, state: 'up', zone: null };
  const vips = createVipConnections({
    timeouts: { connectMs: 3000, idleMs: 0, halfCloseMs: 0 },
    mostConnections: 0,
    mostPerClient: 1,
    clock: systemClock,
    meters,
  });
  const tally = { judged: () => undefined, ended: () => undefined };
  const front = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    Object.defineProperty(socket, 'remoteAddress', { value: '192.0.2.1' });
    vips.serve(socket, {
      picker: { set: { id: 'x', backends: [only] }, pick: () => only, started: () => tally },
      gate: null,
      proxyProtocol: null,
      ...{ hashOf: () => 0, hashesClients: false },
      connections: { value: 0 },
      flows: createVipFlows(systemClock, { value: 0 }),
    });
  });
  const address = await listen(front);
  t.teardown(() => {
    vips.destroy();
    front.close();
    backend.close();
  });
  const open = (): Socket => connect(address, '127.0.0.1');
  const first = open();
  await once(backend, 'connection');
  t.equal(await closeCode(open()), 'ECONNRESET');
  t.equal(meters.failures.limit.value, 1);
  first.destroy();
  await vips.drained(5000);
  const third = open();
  await once(backend, 'connection');
  t.equal(vips.active, 1);
  third.destroy();
});
