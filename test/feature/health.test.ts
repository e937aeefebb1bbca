// Backends that operators drain, that fail our checks or fail real traffic get nothing new, through the router and through VIPs alike.

import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { ask, eventually, startCluster, startDaemonOn, webApp, type TestCluster } from './cluster.ts';
import type { RunningDaemon } from './daemon.ts';

t.setTimeout(120_000);

interface VipRow {
  readonly name: string;
  readonly ips: readonly string[];
  readonly port: number;
  readonly set: {
    readonly backends: readonly { readonly key: string; readonly task: string; readonly state: string }[];
  };
}

interface Drained {
  readonly status: number;
  readonly body: { readonly drained: boolean; readonly inFlight: number; readonly backends: readonly string[] };
}

async function begin(t: Test, workers: number, extra: string): Promise<{ test: TestCluster; daemon: RunningDaemon }> {
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp());
  const daemon = await startDaemonOn(test, workers, extra);
  t.teardown(() => daemon.stop('SIGINT'));
  return { test, daemon };
}

function call(daemon: RunningDaemon, method: string, path: string): Promise<Drained> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer test-token' };
    const sent = request(`http://${daemon.address('admin')}${path}`, { method, headers, agent: false }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () => {
        const body = JSON.parse(Buffer.concat(parts).toString()) as Drained['body'];
        resolve({ status: answer.statusCode ?? 0, body });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** A stream through the router or a VIP, and the task at its end. */
async function openStream(address: string): Promise<{ readonly socket: Socket; readonly task: string }> {
  const [host = '', port = ''] = address.split(':');
  const socket = connect({ host, port: Number(port) });
  socket.on('error', () => undefined);
  socket.write('GET /sse HTTP/1.1\r\nHost: shop.example\r\n\r\n');
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  return { socket, task: /x-task: (\S+)/i.exec(bytes.toString('latin1'))?.[1] ?? '' };
}

const vipOf = async (daemon: RunningDaemon, name: string): Promise<VipRow> => {
  const rows = await daemon.json<VipRow[]>('/v1/vips');
  const row = rows.find((one) => one.name === name);
  if (row === undefined) throw new Error(`no VIP ${name} in ${JSON.stringify(rows)}`);
  return row;
};

const seen = async (address: string, times: number): Promise<ReadonlySet<string>> => {
  const tasks = new Set<string>();
  for (let i = 0; i < times; i++) tasks.add(/^task (\S+)/m.exec((await ask(address, 'shop.example')).body)?.[1] ?? '');
  return tasks;
};

for (const workers of [0, 2]) {
  t.test(
    `a drained backend keeps what it has, and is told to be done when that ends; workers: ${workers}`,
    async (t) => {
      const { daemon } = await begin(t, workers, 'store: { dir: "{dir}/store" }');
      const vip = await vipOf(daemon, 'shop-web.marathon');
      const front = `${vip.ips[0] ?? ''}:${vip.port}`;
      const first = await openStream(daemon.address('router.http'));
      const streams = [first];
      while (streams.length < 2) {
        const stream = await openStream(front);
        if (stream.task === first.task) streams.push(stream);
        else stream.socket.destroy();
      }
      t.teardown(() => streams.forEach(({ socket }) => socket.destroy()));
      const backend = vip.set.backends.find(({ task }) => task.endsWith(first.task))?.key ?? '';
      const drained = (wait: string): Promise<Drained> =>
        call(daemon, 'GET', `/v1/drained?task=${first.task}&wait=${wait}`);

      t.match(await drained('0s'), { status: 503, body: { drained: false } }, 'it takes traffic');
      t.equal((await call(daemon, 'POST', `/v1/backends/${backend}/drain`)).status, 200);
      const busy = await eventually(
        'the drain',
        5_000,
        () => drained('0s'),
        ({ body }) => body.inFlight === 2,
      );
      t.match(busy, { status: 503, body: { drained: false, backends: [backend] } });
      t.notOk((await seen(front, 10)).has(first.task));
      t.notOk((await seen(daemon.address('router.http'), 10)).has(first.task));
      t.match(await daemon.get('/v1/explain?vip=/shop-web:8080&format=text'), /drained by an operator/);

      const answer = drained('20s');
      for (const { socket } of streams) socket.destroy();
      t.match(await answer, { status: 200, body: { drained: true, inFlight: 0 } });

      daemon.child.kill('SIGHUP');
      await daemon.line((line) => line['msg'] === 'ready' && line['generation'] === 2);
      t.match(await daemon.get('/v1/vips'), /draining|weight=0/, 'a new generation knows it still');
      t.equal((await call(daemon, 'POST', `/v1/backends/${backend}/undrain`)).status, 200);
      await eventually(
        'its return',
        5_000,
        () => seen(front, 4),
        (tasks) => tasks.size === 2,
      );
      t.equal((await call(daemon, 'GET', '/v1/drained?task=nobody')).status, 404);
      t.equal((await call(daemon, 'GET', '/v1/drained')).status, 400);
      t.equal((await call(daemon, 'GET', `/v1/drained?task=${first.task}&wait=soon`)).status, 400);
    },
  );
}

t.test('a check of our own takes a sick task out of VIPs and routes, and back', async (t) => {
  const { test, daemon } = await begin(t, 0, 'health: { panic: 10% }');
  const labels = { ISTHMUS_0_CHECK: 'http:/health:100ms' };
  await test.marathon.deploy(webApp({ id: '/shop/api', vip: '/shop-api:8080', host: 'api.example', labels }));
  const vip = await eventually(
    'the VIP',
    5_000,
    () => daemon.json<VipRow[]>('/v1/vips'),
    (rows) => rows.some(({ name, set }) => name === 'shop-api.marathon' && set.backends.length === 2),
  ).then(() => vipOf(daemon, 'shop-api.marathon'));
  const sick = vip.set.backends[0];
  const taskId = sick?.task.split('/').at(-1) ?? '';
  test.cluster.workload(taskId)?.setHealthy(false);
  await daemon.line(
    (line) => line['msg'] === 'backend fails its check and gets no new traffic' && line['backend'] === sick?.key,
  );
  await eventually(
    'the route',
    5_000,
    () => daemon.get('/v1/routes'),
    (text) => text.includes(`${sick?.key ?? ''} down`),
  );
  const explained = await daemon.get('/v1/explain?vip=/shop-api:8080&format=text');
  t.match(explained, /unhealthy by our own check: it answered 503/);
  t.match(await daemon.get('/metrics'), new RegExp(`isthmus_lb_backend_up\\{backend="${sick?.key ?? ''}"\\} 0`));
  test.cluster.workload(taskId)?.setHealthy(true);
  await daemon.line((line) => line['msg'] === 'backend passes its check again');
  await eventually(
    'its return',
    5_000,
    () => vipOf(daemon, 'shop-api.marathon'),
    ({ set }) => set.backends.every(({ state }) => state === 'up'),
  );
  t.equal(daemon.log.filter((line) => line['msg'] === 'backend fails its check and gets no new traffic').length, 1);
});

t.test('a backend that cannot be reached is left out after a few tries, wherever they were made', async (t) => {
  const { test, daemon } = await begin(t, 2, 'health: { checks: false }');
  const dead = await test.cluster.start({
    framework: test.cluster.frameworks()[0]?.framework_info.id?.value ?? '',
    name: 'web',
    network: { mode: 'docker-bridge' },
    ports: [{ name: 'http', containerPort: 8080, serve: 'none', labels: { VIP_0: '/shop-web:8080' } }],
  });
  const vip = await eventually(
    'the VIP',
    5_000,
    () => vipOf(daemon, 'shop-web.marathon'),
    ({ set }) => set.backends.length === 3,
  );
  const key = vip.set.backends.find(({ task }) => task.endsWith(dead))?.key ?? '';
  const failures: string[] = [];
  await eventually(
    'the ejection',
    10_000,
    async () => {
      const { status } = await ask(`${vip.ips[0] ?? ''}:${vip.port}`, 'shop.example');
      if (status !== 200) failures.push(String(status));
      return daemon.log.find((line) => line['msg'] === 'backend fails real traffic and is left out');
    },
    (line) => line?.['backend'] === key,
  );
  t.strictSame(failures, [], 'clients saw none of it');
  await eventually(
    'the table',
    5_000,
    () => daemon.get('/v1/vips'),
    (text) => new RegExp(`${key} weight=0`).test(text),
  );
  t.match(await daemon.get('/v1/explain?vip=/shop-web:8080&format=text'), /left out since tries failed in a row/);
  t.match(await daemon.get('/metrics'), /isthmus_lb_ejections_total\{reason="consecutive"\} 1/);
});
