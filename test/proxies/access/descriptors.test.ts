// After sessions of every kind and every end, no descriptor is left behind.

import { readdirSync, readlinkSync } from 'node:fs';
import t, { type Test } from 'tap';
import { createEgressFunction } from '../../../proxies/egress/index.ts';
import { createForwardsFunction } from '../../../proxies/forwards/index.ts';
import { createSocksFunction } from '../../../proxies/socks/index.ts';
import { bindTcp } from '../../../src/runtime/index.ts';
import { allowCluster, basics, closedPort, loopbackCluster, serve, serveEcho, talk } from './scene.ts';

const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => /^TCP/.test(kind)).length;
/** Sockets as the kernel counts them; the listing's own descriptor is gone when it is looked at. */
const descriptors = (): number => readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).startsWith('socket:')).length;

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

async function until(t: Test, isTrue: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 200 && !isTrue(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  t.ok(isTrue(), what);
}

async function send(port: number, text: string | Uint8Array, isEnd: boolean): Promise<void> {
  const client = await talk(port);
  if (isEnd) client.end(text);
  else client.write(text);
  await client.rest().catch(() => undefined);
  client.socket.destroy();
}

t.test('no descriptor is left', { skip: process.platform !== 'linux' && 'reads /proc' }, async (t) => {
  const before = descriptors();
  const echo = await serveEcho();
  const reset = await serve((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const dead = await closedPort();
  const common = {
    rules: allowCluster,
    users: null,
    owners: loopbackCluster,
    timeouts: { idleMs: 100, headerMs: 200 },
  };
  const [socksBase, egressBase] = [basics(), basics()];
  const listener = bindTcp('127.0.0.1', 0);
  const forward = {
    listen: 'here',
    listener,
    to: [`127.0.0.1:${dead}`, `127.0.0.1:${echo.port}`],
    from: ['127.0.0.0/8'],
  };
  const functions = [
    createSocksFunction({ ...socksBase, ...common }),
    createEgressFunction({ ...egressBase, ...common }),
    createForwardsFunction({ ...socksBase, forwards: [forward], placesOf: () => ({ rejected: '' }) }),
  ];
  for (const each of functions) await each.start();
  const [socks, egress] = [socksBase.listeners[0]?.port ?? 0, egressBase.listeners[0]?.port ?? 0];
  const request = (port: number): Buffer =>
    Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff, 120]);
  const round = (): Promise<unknown> =>
    Promise.all([
      ...[echo.port, reset.port, dead].flatMap((port) => [
        send(socks, request(port), true),
        send(egress, `CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n\r\n`, port === dead),
        send(egress, `GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: x\r\n\r\n`, port === reset.port),
      ]),
      send(socks, 'x', false),
      send(egress, 'GET /', false),
      send(listener.port, 'x', true),
    ]);
  const tunnels = (): Promise<unknown> => Promise.race([round(), new Promise((resolve) => setTimeout(resolve, 700))]);
  await tunnels();
  for (const each of functions) await each.stop();
  await echo.close();
  await reset.close();
  await until(t, () => sockets() === 0, 'no socket is left');
  await until(t, () => descriptors() === before, 'no descriptor is left');
});
