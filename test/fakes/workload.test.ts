// Tasks that answer: real servers in both modes, drained on SIGTERM, reset by kill -9, checked by Mesos and Marathon.
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import net from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { createFakeCluster, startFakeMarathon } from '../../src/fakes/index.ts';
import type { FakeCluster } from '../../src/fakes/index.ts';
import { json, open, raw, request } from './wire.ts';

type Mode = 'inline' | 'process';

function setUp(t: Test, workloads: Mode) {
  const cluster = createFakeCluster({ workloads, stopLimitMs: 1000 });
  t.teardown(() => cluster.close());
  cluster.addAgent();
  const framework = cluster.addFramework({ name: 'marathon' });
  const web = (more: object = {}) =>
    cluster.start({
      framework,
      name: 'web',
      network: { mode: 'docker-bridge' },
      ports: [{ name: 'http', containerPort: 8080 }],
      ...more,
    });
  const url = (taskId: string) => {
    const { host, port } = cluster.address(taskId);
    return `http://${host}:${String(port)}`;
  };
  return { cluster, framework, web, url };
}

function untilState(cluster: FakeCluster, taskId: string, state: string): Promise<void> {
  return new Promise((resolve) => {
    const stop = cluster.onEvent(() => {
      if (cluster.task(taskId)?.state !== state) return;
      stop();
      resolve();
    });
  });
}

for (const mode of ['inline', 'process'] as const) {
  void t.test(`${mode}: answers on the host port and in the container`, async (t) => {
    const { cluster, web, url } = setUp(t, mode);
    const id = await web();
    const { ipv4 } = cluster.placement(id).addresses[0] ?? {};
    for (const base of [url(id), `http://${String(ipv4)}:8080`]) {
      const about = (await request(`${base}/any`)).body.toString();
      t.match(about, `task ${id}\n`);
      t.match(about, `pid ${String(cluster.workload(id)?.pid)}\n`);
    }
    t.equal(cluster.workload(id)?.pid === process.pid, mode === 'inline');
    const echoed = await json(`${url(id)}/echo?x=1`, 'POST', { hello: 'there' });
    t.match(echoed.json, {
      method: 'POST',
      url: '/echo?x=1',
      headers: { accept: 'application/json' },
      body: '{"hello":"there"}',
    });
    t.equal((await request(`${url(id)}/bytes?n=200000`)).body.length, 200_000);
    const events = await open(`${url(id)}/sse`, {});
    t.match((await events.until((bytes) => bytes.includes('\n\n'))).toString(), `data: ${id} 0`);
    events.close();
  });

  void t.test(`${mode}: SIGTERM accepts until the grace ends and finishes what is in flight`, async (t) => {
    const { cluster, web, url } = setUp(t, mode);
    const id = await web();
    const slow = request(`${url(id)}/slow?ms=300`);
    const killed = cluster.kill(id, { graceMs: 150 });
    t.equal(cluster.task(id)?.state, 'TASK_KILLING');
    t.equal((await request(`${url(id)}/`)).status, 200, 'still accepting');
    t.equal((await slow).status, 200, 'outlived the grace');
    await killed;
    t.equal(cluster.task(id)?.state, 'TASK_KILLED');
    await t.rejects(request(url(id)), { code: 'ECONNREFUSED' });
  });

  void t.test(`${mode}: kill -9 resets and is told as TASK_FAILED`, async (t) => {
    const { cluster, web, url } = setUp(t, mode);
    const id = await web();
    const slow = t.rejects(request(`${url(id)}/slow?ms=5000`), { code: 'ECONNRESET' });
    await request(`${url(id)}/`);
    const failed = untilState(cluster, id, 'TASK_FAILED');
    if (mode === 'inline') cluster.crash(id);
    else process.kill(cluster.workload(id)?.pid ?? 0, 'SIGKILL');
    await Promise.all([failed, slow]);
    t.match(cluster.task(id)?.statuses?.at(-1)?.message, mode === 'inline' ? /Killed/ : /status 137/);
  });

  void t.test(`${mode}: a check of Mesos's follows the server's health`, async (t) => {
    const { cluster, web, url } = setUp(t, mode);
    const id = await web({
      healthCheck: { type: 'HTTP', path: '/health', intervalSeconds: 0.02, consecutiveFailures: 1 },
    });
    const healthy = (wanted: boolean) =>
      new Promise<void>((resolve) => {
        const is = () => cluster.task(id)?.statuses?.at(-1)?.healthy === wanted;
        if (is()) resolve();
        const stop = cluster.onEvent(() => {
          if (!is()) return;
          stop();
          resolve();
        });
      });
    await healthy(true);
    cluster.workload(id)?.setHealthy(false);
    await healthy(false);
    t.equal((await request(`${url(id)}/healthz`)).status, 503);
  });
}

void t.test('TCP tasks greet and echo', async (t) => {
  const { cluster, framework } = setUp(t, 'inline');
  const id = await cluster.start({
    framework,
    name: 'db',
    network: { mode: 'ucr-overlay', name: 'ovl' },
    ports: [{ containerPort: 3306, serve: 'tcp' }],
  });
  const { host, port } = cluster.address(id);
  const { text } = await raw(`http://${host}:${String(port)}`, 'ping\n', (bytes) => bytes.endsWith('ping\n'));
  t.match(text, new RegExp(`^db ${id} .*\nping\n$`));
});

void t.test('WebSocket echo: text, ping, close', async (t) => {
  const { web, url } = setUp(t, 'inline');
  const base = new URL(url(await web()));
  const socket = net.connect(Number(base.port), base.hostname);
  t.teardown(() => socket.destroy());
  let all = Buffer.alloc(0);
  const until = (condition: () => boolean) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (condition()) resolve();
      };
      socket.on('data', check);
      check();
    });
  socket.on('data', (piece: Buffer) => {
    all = Buffer.concat([all, piece]);
  });
  const key = Buffer.alloc(16, 7).toString('base64');
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  );
  await until(() => all.includes('\r\n\r\n'));
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  t.match(all.toString(), `Sec-WebSocket-Accept: ${accept}`);
  all = all.subarray(all.indexOf('\r\n\r\n') + 4);
  const frame = (opcode: number, text: string) => {
    const mask = Buffer.from([1, 2, 3, 4]);
    const payload = Buffer.from(text).map((byte, at) => byte ^ (mask[at % 4] ?? 0));
    const head =
      payload.length < 126
        ? [0x80 | opcode, 0x80 | payload.length]
        : [0x80 | opcode, 0xfe, payload.length >> 8, payload.length & 255];
    return Buffer.concat([Buffer.from(head), mask, payload]);
  };
  const long = 'y'.repeat(300);
  socket.write(Buffer.concat([frame(1, 'hi'), frame(9, 'p'), frame(1, long)]));
  await until(() => all.length >= 4 + 3 + 304);
  t.equal(all.toString('latin1'), `\x81\x02hi\x8a\x01p\x81\x7e\x01\x2c${long}`);
  all = Buffer.alloc(0);
  socket.write(frame(8, '\x03\xe8'));
  await new Promise((resolve) => socket.once('end', resolve));
  t.equal(all[0], 0x88);
});

void t.test('a port is not given again while it is open', async (t) => {
  const { cluster, web } = setUp(t, 'inline');
  const first = await web();
  const killed = cluster.kill(first, { graceMs: 50 });
  const second = await web();
  t.not(cluster.address(first).port, cluster.address(second).port);
  await killed;
});

void t.test('a port that is taken fails the task', async (t) => {
  const { cluster, framework, web } = setUp(t, 'inline');
  const { host, port } = cluster.address(await web());
  const spec = {
    framework,
    name: 'late',
    taskId: 'late',
    network: { mode: 'ucr-overlay' },
    addresses: { ipv4: host },
    ports: [{ containerPort: port }],
  } as const;
  await t.rejects(cluster.start(spec), { code: 'EADDRINUSE' });
  t.equal(cluster.task('late')?.state, 'TASK_FAILED');
});

void t.test('children die with their parent', async (t) => {
  const script = new URL('./data/orphan-parent.ts', import.meta.url).pathname;
  const parent = fork(script, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const { host, port } = await new Promise<{ host: string; port: number }>((resolve) =>
    parent.once('message', resolve as (message: unknown) => void),
  );
  t.equal((await request(`http://${host}:${String(port)}`)).status, 200);
  const socket = net.connect(port, host);
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.on('error', () => undefined);
  const gone = new Promise((resolve) => socket.once('close', resolve));
  parent.kill('SIGKILL');
  await gone;
  await t.rejects(request(`http://${host}:${String(port)}`));
});

void t.test("Marathon's own checks are run and decide a deployment", async (t) => {
  const { cluster } = setUp(t, 'inline');
  const marathon = await startFakeMarathon(cluster);
  t.teardown(() => marathon.close());
  await marathon.deploy({
    id: '/web',
    portDefinitions: [{ port: 0, name: 'http' }],
    healthChecks: [
      { protocol: 'HTTP', path: '/health', intervalSeconds: 0.02 },
      { protocol: 'TCP', intervalSeconds: 0.02 },
    ],
    env: { FAKE_SERVE: 'http' },
  });
  const [task] = marathon.tasks('/web');
  const sick = new Promise<void>((resolve) => {
    marathon.onEvent(({ eventType, alive }) => {
      if (eventType === 'health_status_changed_event' && alive === false) resolve();
    });
  });
  cluster.workload(String(task?.id))?.setHealthy(false);
  await sick;
  t.match((await json(`${marathon.url}/v2/apps/web`)).json, {
    app: {
      tasksUnhealthy: 1,
      tasks: [{ healthCheckResults: [{ alive: false, lastFailureCause: /503/ }, { alive: true }] }],
    },
  });
});
