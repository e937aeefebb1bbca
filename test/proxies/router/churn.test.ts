// A thousand changes of routes and a thousand of backends under requests and WebSockets: no request fails, no tunnel closes.

import t from 'tap';
import { createRouteView, type RouteRecord } from '../../../proxies/router/index.ts';
import { answering, get, openBackend, openScene, type Behaviour } from './scene.ts';
import { clusterOf } from './routed-apps.ts';

const changes = 1_000;
const clients = 4;

const handshake = get('/ws', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x');

/** Answers with the name; upgrades and echoes where asked to. */
const serving =
  (name: string): Behaviour =>
  (socket, head, early) => {
    if (!head.includes('Upgrade: websocket')) {
      answering(name)(socket, head, early);
      return;
    }
    socket.removeAllListeners('data');
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.on('data', (bytes) => socket.write(bytes));
  };

/** Records of a host that comes and goes, and of a path under the host that is asked for. */
function routesAt(change: number): readonly (readonly [string, RouteRecord])[] {
  const to = ['http://127.0.0.1:1'];
  const view = createRouteView({
    staticRoutes: [
      { host: 'a.example', to },
      { host: change % 2 === 0 ? `host-${change}.example` : '*.example', to },
      { host: 'a.example', path: `/path-${change}`, to },
    ],
  });
  view.rebuild(clusterOf([]));
  return [...view.table].filter(([, record]) => record.kind === 'route');
}

t.test('changes under load', async (t) => {
  const backends = [
    await openBackend(t, serving('1')),
    await openBackend(t, serving('2')),
    await openBackend(t, serving('3')),
  ];
  const ports = backends.map(({ port }) => port);
  const scene = await openScene(t, ports);
  const tables = [[0, 1], [1], [2, 0], [2], [0, 1, 2]].map((up) => up.map((at) => ports[at] as number));
  let routeChanges = 0;
  let setChanges = 0;
  let former: readonly string[] = [];
  const changing = new Promise<void>((resolve) => {
    const change = (): void => {
      const records = routesAt(routeChanges++);
      const keys = records.map(([key]) => key);
      const removed = former.filter((key) => !keys.includes(key));
      former = keys;
      void scene.router.plane.apply({ set: records, removed }, new Map(records));
      const up = tables[setChanges++ % tables.length] as readonly number[];
      scene.serve(up, setChanges % 3 === 0 ? [] : ports.filter((port) => !up.includes(port)));
      if (setChanges < changes) setImmediate(change);
      else resolve();
    };
    change();
  });
  let over = false;
  void changing.then(() => (over = true));

  const asking = Array.from({ length: clients }, async () => {
    const client = await scene.client();
    let answered = 0;
    for (; !over || answered < 200; answered++) {
      client.send(answered % 2 === 0 ? get('/') : 'POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi');
      const [answer] = await client.expect(/^HTTP\/1\.1 (\d+) [^]*?\r\n\r\n[^]*$/);
      if (!/^HTTP\/1\.1 200 [^]*\r\n\r\n[123]$/.test(answer)) throw new Error(answer);
    }
    return answered;
  });
  const talking = Array.from({ length: clients }, async (_, i) => {
    const client = await scene.client();
    client.send(handshake);
    await client.expect(/^HTTP\/1\.1 101 [^]*\r\n\r\n/);
    let said = 0;
    for (; !over || said < 50; said++) {
      client.send(`word ${i} ${said};`);
      await client.expect(new RegExp(`^word ${i} ${said};$`));
    }
    return said;
  });
  const answered = await Promise.all(asking);
  const said = await Promise.all(talking);
  await changing;
  t.equal(routeChanges, changes);
  t.equal(setChanges, changes);
  t.ok(
    [...answered, ...said].every((count) => count > 0),
    `${answered.join(', ')} requests, ${said.join(', ')} words`,
  );
});
