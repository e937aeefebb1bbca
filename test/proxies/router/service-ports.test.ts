// Service ports and app ids: listeners that come and go with records, in both modes, and what they say when nobody is left.

import t, { type Test } from 'tap';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { bindTcp } from '../../../src/runtime/index.ts';
import { portKey, type PortEntry } from '../../../proxies/router/route-record.ts';
import { rawClient, type RawClient } from '../http1/raw-client.ts';
import { answering, counted, get, openBackend, openScene, until } from './scene.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const entryOf = (port: number, mode: PortEntry['mode'], more: Partial<PortEntry> = {}): PortEntry => ({
  kind: 'port',
  id: String(port),
  port,
  mode,
  app: null,
  appId: '/a/web',
  portIndex: 0,
  options: 'static:0',
  set: 'static:0',
  ...more,
});

async function clientOf(t: Test, port: number): Promise<RawClient> {
  const client = await rawClient(port);
  t.teardown(() => client.close());
  return client;
}

const isRefused = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => void (socket.destroy(), resolve(false)));
    socket.on('error', () => resolve(true));
  });

t.test('http: whatever the host, with the policies of the service', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port], { servicePorts: '127.0.0.1' });
  const port = await freePort();
  scene.treat({
    redirectToHttps: { code: 301, otherCode: 308, port: null },
    auth: { kind: 'basic', realm: 'r', users: [{ name: 'a', hash: '{PLAIN}b' }], everywhere: true },
  });
  await scene.apply([[portKey(port), entryOf(port, 'http')]]);
  t.same(scene.router.serviceAddresses.all(), { [port]: `127.0.0.1:${port}` });
  const client = await clientOf(t, port);
  client.send(get('/').replace('a.example', 'anything'));
  await client.expect(/^HTTP\/1\.1 401 [^]*\r\n\r\n[^]+\n/);
  client.send(get('/', `Authorization: Basic ${Buffer.from('a:b').toString('base64')}`));
  await client.expect(/HTTP\/1\.1 200 [^]*ok/);
  t.equal(counted(scene.metrics, 'router_requests_total', { route: `port:${port}`, code: '200' }), 1);

  scene.treat({});
  scene.serve([]);
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 503 [^]*Retry-After/);
  t.notOk(await isRefused(port), 'accepts while the app exists');
  await scene.apply([], [portKey(port)]);
  t.ok(await isRefused(port), 'and not a moment longer');
  t.same(scene.router.serviceAddresses.all(), {});
});

function echo(t: Test, name: string): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).write(name);
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  return once(server, 'listening').then(() => ({ port: (server.address() as AddressInfo).port, server }));
}

t.test('tcp: byte for byte, past a backend that refuses, closed without one', async (t) => {
  const [one, dead] = [await echo(t, 'one:'), await freePort()];
  const scene = await openScene(t, [one.port, dead], { servicePorts: '127.0.0.1' });
  const port = await freePort();
  await scene.apply([[portKey(port), entryOf(port, 'tcp')]]);
  for (let i = 0; i < 4; i++) {
    const client = await clientOf(t, port);
    client.send('\0hi');
    await client.expect(/^one:\0hi$/);
    client.socket.end();
    await client.end();
  }
  scene.serve([one.port]);
  scene.call({ sendProxy: 'v1' });
  const introduced = await clientOf(t, port);
  introduced.send('hi');
  await introduced.expect(/^one:PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\nhi$/);
  introduced.socket.end();
  await introduced.end();
  await until(() => counted(scene.metrics, 'router_backend_active', { backend: `127.0.0.1:${one.port}` }) === 0);
  scene.serve([]);
  const client = await clientOf(t, port);
  t.equal((await client.end()).text, '');
  scene.serve([one.port]);
  scene.treat({ networks: { allowed: ['10.0.0.0/8'] } });
  const stranger = await clientOf(t, port);
  t.equal((await stranger.end()).text, '', 'an address that may not');
  t.ok(counted(scene.metrics, 'router_requests_total', { route: `port:${port}`, code: '403' }) === 1);
});

t.test('a port that somebody has is a problem until it is free; one that wants TLS stays closed', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port], { servicePorts: '127.0.0.1' });
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const secure = await freePort();
  await scene.apply([
    [portKey(port), entryOf(port, 'http')],
    [portKey(secure), entryOf(secure, 'http', { tls: { certificate: null } })],
  ]);
  const said = scene.router.problems();
  t.equal(said.length, 2);
  t.match(
    said.find((line) => line.includes('EADDRINUSE')),
    /cannot be opened on 127\.0\.0\.1: EADDRINUSE/,
  );
  t.match(said.join(), /asks for TLS/);
  scene.call({ protocol: 'https', sendProxy: 'v1' });
  t.match(scene.router.problems()[0], 'PROXY headers before TLS to back ends: asked for by 1');
  scene.call({});
  t.equal(scene.router.problems().length, 2, 'said no longer than asked');
  taken.close();
  await until(() => port in scene.router.serviceAddresses.all());
  const client = await clientOf(t, port);
  client.send(get('/'));
  await client.expect(/^HTTP\/1\.1 200 /);
  t.ok(await isRefused(secure));
});

t.test('as measured a port is closed while nobody is left', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [], { servicePorts: '127.0.0.1' });
  const port = await freePort();
  await scene.apply([[portKey(port), entryOf(port, 'http', { closesEmpty: true })]]);
  t.same(scene.router.serviceAddresses.all(), {});
  scene.serve([backend.port]);
  await until(() => port in scene.router.serviceAddresses.all());
  const client = await clientOf(t, port);
  client.send(get('/'));
  await client.expect(/^HTTP\/1\.1 200 /);
  scene.serve([], [backend.port]);
  t.same(Object.keys(scene.router.serviceAddresses.all()), [String(port)], 'one that drains is somebody');
  scene.serve([]);
  await until(() => !(port in scene.router.serviceAddresses.all()));
  // The last connections are still accepted while it closes.
  while (!(await isRefused(port)));
  t.pass('refused');
});

t.test('app ids: whole, in any case, and nothing else', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const listener = bindTcp('127.0.0.1', 0);
  const scene = await openScene(t, [backend.port], { appIdHeader: [listener] });
  const { kind: _, id: __, port: ___, mode: ____, ...target } = entryOf(1, 'http');
  await scene.apply([['app:/a/web', { kind: 'app', id: '/a/web', ...target }]]);
  const client = await clientOf(t, listener.port);
  for (const [id, status] of [
    ['/A/Web', 200],
    ['a/web', 503],
    ['/a', 503],
    ['', 503],
  ] as const) {
    client.send(get('/', ...(id === '' ? [] : [`X-Marathon-App-Id: ${id}`])));
    await client.expect(new RegExp(`HTTP/1\\.1 ${status} [^]*\\r\\n\\r\\n[^]+`));
  }
  t.notMatch(backend.heads[0], /Marathon-App-Id/i);
});

t.test('an interface stands for its address; one that is not there is tried again', async (t) => {
  const scene = await openScene(t, [], { servicePorts: '0.0.0.0' });
  const [port, other] = [await freePort(), await freePort()];
  await scene.apply([
    [portKey(port), entryOf(port, 'http', { interface: 'lo' })],
    [portKey(other), entryOf(other, 'http', { interface: 'none0' })],
  ]);
  t.same(scene.router.serviceAddresses.all(), { [port]: `127.0.0.1:${port}` });
});
