// A worker that is stopped, computes for ever or takes too much memory is replaced while its neighbour serves.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import { isAlive } from '../storm/processes.ts';
import { ask, askForever, eventually, startCluster, webApp } from './cluster.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';

t.setTimeout(180_000);

interface Status {
  readonly workers: readonly { readonly slot: number; readonly pid: number; readonly appliedVersion: number }[];
}

async function begin(t: Test, more: string): Promise<RunningDaemon> {
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp());
  // A worker that computes for ever when it is told to.
  const code = join(t.testdir(), 'endless.mjs');
  writeFileSync(code, `if (process.env.ISTHMUS_ROLE === 'worker') process.on('SIGUSR2', () => { for (;;); });`);
  const daemon = await startDaemon(
    `
cluster: [{ mesos: { masters: ["${test.masters.url(0)}"] } }, { marathon: { urls: ["${test.marathon.url}"] } }]
router: { http: ["127.0.0.1:0"], groups: [external] }
admin: { listen: "127.0.0.1:0" }
workers: 2
${more}`,
    { env: { NODE_OPTIONS: `--import ${pathToFileURL(code).href}` } },
  );
  t.teardown(() => daemon.stop());
  return daemon;
}

const workersOf = async (daemon: RunningDaemon): Promise<Status['workers']> =>
  (await daemon.json<Status>('/v1/status')).workers;

/** Resolves when two workers serve and none of them is `pid`. */
const untilReplaced = (daemon: RunningDaemon, pid: number): Promise<unknown> =>
  eventually(
    'another worker',
    60_000,
    () => workersOf(daemon),
    (now) => now.length === 2 && now.every((worker) => worker.pid !== pid && worker.appliedVersion >= 0),
  );

t.test('stopped, and computing for ever', async (t) => {
  const daemon = await begin(t, '');
  const router = daemon.address('router.http');
  for (const signal of ['SIGSTOP', 'SIGUSR2'] as const) {
    const [victim] = await workersOf(daemon);
    const loop = askForever(() => ask(router, 'shop.example'));
    process.kill(victim?.pid ?? 0, signal);
    await untilReplaced(daemon, victim?.pid ?? 0);
    const count = loop.count();
    await eventually(
      'requests',
      20_000,
      () => Promise.resolve(loop.count() - count),
      (more) => more > 20,
    );
    const failures = await loop.stop();
    t.ok(failures.length <= 1, `${signal}: at most the request that it held: ${failures.join('; ')}`);
    t.notOk(isAlive(victim?.pid ?? 0));
  }
  t.equal(daemon.log.filter(({ msg }) => /does not answer and is killed/.test(String(msg))).length, 2);
});

t.test('too much memory: another one first, then it drains', async (t) => {
  // Less than any worker has.
  const daemon = await begin(t, 'workerMemory: 40M');
  const before = await workersOf(daemon);
  const loop = askForever(() => ask(daemon.address('router.http'), 'shop.example'));
  for (const { pid } of before) await untilReplaced(daemon, pid);
  t.same(await loop.stop(), [], `none of ${loop.count()} requests failed`);
  await daemon.line(({ msg }) => /takes more memory than workerMemory allows/.test(String(msg)));
  await eventually(
    'the end of the former ones',
    60_000,
    () => Promise.resolve(before.filter(({ pid }) => isAlive(pid))),
    (left) => left.length === 0,
  );
});
