// Backends of a VIP in user space come and go while clients connect all the time: none of them notices. `npm run bench -- vip churn` is the
// long form, with a whole daemon and for both planes.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { createVipFunction, defaultVipTimeouts, type VipRecord } from '../../lb/index.ts';
import { backendKey, type Backend } from '../../src/cluster/index.ts';
import { createMetrics, silentLogger, systemClock, systemRandom } from '../../src/runtime/index.ts';
import { listen } from '../runtime/loopback.ts';

const ip = '127.71.0.1';

/** A server that says its name and echoes. */
async function backend(t: Test, name: string): Promise<Backend> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(name);
    socket.pipe(socket);
  });
  const port = await listen(server);
  t.teardown(() => server.close());
  const key = backendKey('127.0.0.1', port);
  return { key, ip: '127.0.0.1', port, task: null, weight: 1, state: 'up', zone: null };
}

/** A new connection and what it heard first: a name, or the code of an error. */
async function greeted(port: number): Promise<readonly [heard: string, socket: Socket]> {
  const socket = connect(port, ip);
  const heard = await once(socket, 'data').then(
    ([data]) => String(data),
    (error: NodeJS.ErrnoException) => error.code ?? 'closed',
  );
  return [heard, socket];
}

t.test('no connection notices that backends come and go', async (t) => {
  const [one, two] = [await backend(t, 'one'), await backend(t, 'two')];
  const vips = createVipFunction({
    ...{ workers: false, policy: 'roundrobin', timeouts: { ...defaultVipTimeouts, drainMs: 60_000 } },
    ...{ log: silentLogger, metrics: createMetrics(), clock: systemClock, random: systemRandom },
  });
  t.teardown(() => vips.stop());
  const probe = createServer();
  const port = await listen(probe);
  await new Promise((resolve) => probe.close(resolve));
  const record = (...backends: readonly Backend[]): VipRecord => {
    const key = `tcp/web.marathon:${port}`;
    return { key, protocol: 'tcp', name: 'web.marathon', ips: [ip], port, set: { id: key, backends } };
  };
  const show = async (next: VipRecord): Promise<void> =>
    vips.plane.apply({ set: [[next.key, next]], removed: [] }, new Map());
  await show(record(one, two));
  await vips.start();
  const [, held] = await greeted(port);
  const heard = new Map<string, number>();
  let isOver = false;
  const clients = Array.from({ length: 6 }, async () => {
    while (!isOver) {
      const [text, socket] = await greeted(port);
      heard.set(text, (heard.get(text) ?? 0) + 1);
      socket.destroy();
    }
  });
  const rounds = [record(one, two), record(two), record(two, one), record(one)];
  for (let change = 1; change <= 200; change++) {
    await show(rounds[change % rounds.length] ?? record());
    await new Promise((resolve) => setImmediate(resolve));
  }
  isOver = true;
  await Promise.all(clients);
  t.same([...heard.keys()].sort(), ['one', 'two'], `nothing but greetings in ${JSON.stringify([...heard])}`);
  held.write('still here');
  t.equal(String((await once(held, 'data'))[0]), 'still here', 'a connection whose backend came and went lives');
  held.destroy();
});
