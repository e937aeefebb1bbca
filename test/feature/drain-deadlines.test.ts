// SIGTERM: each function's own deadline for what is under way, and what is asked once more meanwhile.

import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { firstBytes, socksTunnel } from '../storm/clients.ts';
import { ask, eventually, startCluster, webApp, type TestCluster } from './cluster.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';

t.setTimeout(110_000);

const target = 'web.shop.marathon.mesos:8080';
const call = 'GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n';

async function begin(t: Test, workers: number): Promise<{ test: TestCluster; daemon: RunningDaemon }> {
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp());
  const masters = test.masters.urls.map((url) => `"${url}"`).join(', ');
  const daemon = await startDaemon(`
cluster:
  - mesos: { masters: [${masters}] }
  - marathon: { urls: ["${test.marathon.url}"], name: marathon }
router: { http: ["127.0.0.1:0"], groups: [external], h2c: true, timeouts: { drain: 60s } }
socks: { listen: ["127.0.0.1:0"], rules: [{ allow: { to: [cluster] } }], timeouts: { drain: 1s } }
httpProxy: { listen: ["127.0.0.1:0"], rules: [{ allow: { to: [cluster] } }], timeouts: { drain: 60s } }
admin: { listen: "127.0.0.1:0" }
workers: ${workers}
`);
  t.teardown(() => daemon.stop('SIGKILL'));
  await eventually(
    'the route',
    20_000,
    () => ask(daemon.address('router.http'), 'shop.example'),
    ({ status }) => status === 200,
  );
  return { test, daemon };
}

async function connectTunnel(daemon: RunningDaemon): Promise<Socket> {
  const socket = connect(daemon.port('httpProxy'), '127.0.0.1');
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  const head = await firstBytes(socket);
  if (!head.toString('latin1').startsWith('HTTP/1.1 200')) throw new Error(head.toString('latin1'));
  return socket;
}

/** However it ends: what is cut is a reset. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined).resume();
  return new Promise((resolve) => void socket.once('close', () => resolve()));
}

for (const workers of [0, 2])
  t.test(`a stop gives each function its own time; workers: ${workers}`, async (t) => {
    const { daemon } = await begin(t, workers);
    const socks = await socksTunnel(daemon.port('socks'), target);
    const tunnel = await connectTunnel(daemon);
    const kept = connect(daemon.port('router.http'), '127.0.0.1');
    const h2 = connectHttp2(`http://${daemon.address('router.http')}`);
    const greeted = once(h2, 'remoteSettings');
    for (const socket of [socks, tunnel, kept, h2]) t.teardown(() => socket.destroy());
    kept.write(call);
    t.match((await firstBytes(kept)).toString('latin1'), /^HTTP\/1\.1 200/);
    await greeted;
    const stream = connect(daemon.port('router.http'), '127.0.0.1');
    t.teardown(() => stream.destroy());
    stream.write(call.replace('GET / ', 'GET /sse '));
    t.match((await firstBytes(stream)).toString('latin1'), /^HTTP\/1\.1 200/);
    const goaway = once(h2, 'goaway');
    const ended = closed(socks);
    daemon.child.kill('SIGTERM');
    await goaway;
    await ended;
    t.equal(daemon.child.exitCode, null, 'what has more time keeps it');
    tunnel.write(call.replace('shop.example', target));
    t.match((await firstBytes(tunnel)).toString('latin1'), /^HTTP\/1\.1 200/, 'a tunnel whose section gives a minute');
    t.notOk((await firstBytes(stream)).length === 0, 'an answer under way goes on');
    stream.destroy();
    tunnel.destroy();
    h2.close();
    t.equal(await daemon.stop('SIGCONT'), 0);
  });

t.test('a second SIGTERM ends it at once', async (t) => {
  const { daemon } = await begin(t, 2);
  const tunnel = await connectTunnel(daemon);
  const cut = closed(tunnel);
  daemon.child.kill('SIGTERM');
  await daemon.line(({ msg }) => msg === 'draining');
  t.notOk(tunnel.destroyed);
  await daemon.stop('SIGTERM');
  await cut;
  t.pass('the tunnel is cut');
});
