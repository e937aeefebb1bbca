// PROXY headers to backends: each connection says whose it is, and carries nobody else's requests.

import t, { type Test } from 'tap';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { get, openScene, until } from './scene.ts';

interface Told {
  readonly port: number;
  /** What came on each connection. */
  readonly connections: readonly string[];
}

async function openTold(t: Test): Promise<Told> {
  const connections: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const at = connections.push('') - 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      connections[at] += bytes.toString('latin1');
      if (/\r\n\r\n$/.test(connections[at] ?? '')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, connections };
}

t.test('version 1, a connection for each request', async (t) => {
  const backend = await openTold(t);
  const scene = await openScene(t, [backend.port]);
  scene.call({ sendProxy: 'v1' });
  const [first, second] = [await scene.client(), await scene.client()];
  for (const client of [first, second, first]) {
    client.send(get('/'));
    await client.expect(/ 200 [^]*ok/);
  }
  const ports = [first, second, first].map(({ socket }) => socket.localPort);
  t.same(
    backend.connections.map((text) => text.split('\r\n', 2)),
    ports.map((port) => [`PROXY TCP4 127.0.0.1 127.0.0.1 ${port} ${scene.port}`, 'GET / HTTP/1.1']),
  );
});

t.test('version 2; none any more when it is not asked for', async (t) => {
  const backend = await openTold(t);
  const scene = await openScene(t, [backend.port]);
  scene.call({ sendProxy: 'v2' });
  const client = await scene.client();
  client.send(get('/'));
  await client.expect(/ 200 [^]*ok/);
  const [version2 = ''] = backend.connections;
  t.match(
    Buffer.from(version2, 'latin1').toString('hex'),
    /^0d0a0d0a000d0a515549540a2111000c7f0000017f000001[^]{8}474554/,
  );
  scene.call({});
  client.send(get('/'));
  await client.expect(/ 200 [^]*ok/);
  await until(() => backend.connections.length === 2);
  t.match(backend.connections[1], /^GET \/ /);
});
