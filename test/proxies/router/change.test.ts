// The table changes under traffic, and the router goes: nothing that is under way is lost.

import t from 'tap';
import { answering, get, openBackend, openScene, until, type Scene } from './scene.ts';

t.test('sets are replaced under requests without a failure', async (t) => {
  const [one, two, three] = [
    await openBackend(t, answering('1')),
    await openBackend(t, answering('2')),
    await openBackend(t, answering('3')),
  ];
  const scene = await openScene(t, [one.port]);
  const tables = [[one.port, two.port], [two.port], [three.port, one.port], [three.port]];
  let changes = 0;
  let stopped = false;
  const change = (): void => {
    scene.serve(
      tables[changes % tables.length] ?? [],
      [one.port, two.port, three.port].filter(
        (port) => changes % 3 > 0 && !tables[changes % tables.length]?.includes(port),
      ),
    );
    changes++;
    if (!stopped) setImmediate(change);
  };
  change();
  const clients = await Promise.all([scene.client(), scene.client(), scene.client(), scene.client()]);
  await Promise.all(
    clients.map(async (client) => {
      for (let i = 0; i < 150; i++) {
        client.send(i % 2 === 0 ? get('/') : 'POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi');
        const [answer] = await client.expect(/^HTTP\/1\.1 (\d+) [^]*\r\n\r\n\d$/);
        if (!answer.startsWith('HTTP/1.1 200')) throw new Error(answer);
      }
    }),
  );
  stopped = true;
  t.ok(changes > 100, `${changes} changes`);
  t.ok(
    [one, two, three].every((backend) => backend.heads.length > 0),
    'all were asked',
  );
});

t.test('a request under way ends though its backend drains or goes', async (t) => {
  const waiting: (() => void)[] = [];
  const backend = await openBackend(t, (socket) => void waiting.push(() => answering('late')(socket, '', '')));
  const scene = await openScene(t, [backend.port]);
  const [first, second] = await Promise.all([scene.client(), scene.client()]);
  first.send(get('/'));
  await until(() => waiting.length === 1);
  second.send(get('/'));
  await until(() => waiting.length === 2);
  scene.serve([], [backend.port]);
  waiting[0]?.();
  await first.expect(/^HTTP\/1\.1 200 [^]*late$/);
  scene.serve([]);
  waiting[1]?.();
  await second.expect(/^HTTP\/1\.1 200 [^]*late$/);
  await until(() => backend.sockets.size === 0);
  t.pass('connections to a backend that is gone are not kept');
});

t.test('idle connections to a backend that goes are closed', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  client.send(get('/'));
  await client.expect(/ok$/);
  t.equal(backend.sockets.size, 1);
  scene.serve([]);
  await until(() => backend.sockets.size === 0);
  client.send(get('/'));
  await client.expect(/^HTTP\/1\.1 503 [^]*\n$/);
  scene.serve([backend.port]);
  client.send(get('/'));
  await client.expect(/^HTTP\/1\.1 200 [^]*ok$/);
});

t.test('drain: idle connections close after a while, busy ones after their answer, nobody new', async (t) => {
  const waiting: (() => void)[] = [];
  const backend = await openBackend(t, (socket) => void waiting.push(() => answering('last')(socket, '', '')));
  const scene = await openScene(t, [backend.port]);
  const [idle, busy] = await Promise.all([scene.client(), scene.client()]);
  busy.send(get('/'));
  await until(() => waiting.length === 1);
  const drained = scene.router.drain(15_000);
  t.equal((await idle.end()).reset, false);
  await t.rejects(scene.client());
  waiting[0]?.();
  t.match((await busy.end()).text, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n\r\nlast$/);
  await drained;
});

/** Resolves when nobody new is accepted. */
async function closed(scene: Scene): Promise<void> {
  for (;;) {
    const last = await scene.client().catch(() => null);
    if (last === null) return;
    last.close();
  }
}

t.test('drain: connections that have just come, and kept ones, are answered once more', async (t) => {
  const backend = await openBackend(t, answering('again'));
  const scene = await openScene(t, [backend.port]);
  const [used, fresh] = await Promise.all([scene.client(), scene.client()]);
  used.send(get('/'));
  await used.expect(/again$/);
  const drained = scene.router.drain(3_600_000);
  await closed(scene);
  for (const client of [used, fresh]) client.send(get('/'));
  for (const client of [used, fresh]) {
    const { text, reset } = await client.end();
    t.match(text, /HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n\r\nagain$/);
    t.notOk(reset);
  }
  await drained;
});

t.test('drain: a connection whose answer had begun closes with its end', async (t) => {
  const rest: (() => void)[] = [];
  const backend = await openBackend(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab');
    rest.push(() => void socket.write('cd'));
  });
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  client.send(get('/'));
  await client.expect(/\r\n\r\nab$/);
  const drained = scene.router.drain(15_000);
  rest[0]?.();
  t.match(await client.end(), { text: /abcd$/, reset: false });
  await drained;
});

t.test('drain ends at its deadline, stop cuts the rest', async (t) => {
  const backend = await openBackend(t, () => undefined);
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  client.send(get('/'));
  await until(() => backend.heads.length === 1);
  await scene.router.drain(10);
  t.equal(backend.sockets.size, 1);
  await scene.router.stop();
  await client.end();
  await until(() => backend.sockets.size === 0);
  t.pass('all is closed');
});

t.test('a service that goes and comes under its route', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  scene.treat({ securityHeaders: [{ change: 'set', name: 'X-A', value: '1' }] });
  await scene.apply([], ['set:static:0', 'options:static:0']);
  const client = await scene.client();
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 503 [^]*\r\n\r\n[^]+\n/);
  scene.serve([backend.port]);
  scene.treat({ securityHeaders: [{ change: 'set', name: 'X-A', value: '2' }] });
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 200 [^]*X-A: 2\r\n/);
});
