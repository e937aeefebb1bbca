// A new generation that cannot start ends, and says why; what serves goes on serving, and the next try may succeed.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { ask, askForever, eventually, startCluster, webApp } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(180_000);

interface Status {
  readonly generation: number;
  readonly workers: readonly { readonly pid: number }[];
}

t.test('code that fails at its start, a secret that is gone, an unknown user', async (t) => {
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp());
  const folder = t.testdir({ token: 'test-token' });
  // Read by every process at its start: stands for the code on disk.
  const code = join(folder, 'release.mjs');
  writeFileSync(code, '');
  const daemon = await startDaemon(
    `
cluster: [{ mesos: { masters: ["${test.masters.url(0)}"] } }, { marathon: { urls: ["${test.marathon.url}"] } }]
router: { http: ["127.0.0.1:0"], groups: [external] }
admin: { listen: "127.0.0.1:0", token: "file:${folder}/token" }
workers: 2
`,
    { env: { NODE_OPTIONS: `--import ${pathToFileURL(code).href}` } },
  );
  t.teardown(() => daemon.stop());
  const router = daemon.address('router.http');
  const status = (): Promise<Status> => daemon.json<Status>('/v1/status');
  const pids = async (): Promise<readonly number[]> => (await status()).workers.map(({ pid }) => pid);
  const before = await pids();

  await t.test('an upgrade to broken code is rolled back', async (t) => {
    const loop = askForever(() => ask(router, 'shop.example'));
    writeFileSync(code, 'throw new Error("a broken release")');
    daemon.child.kill('SIGUSR2');
    const line = await daemon.line(({ msg }) => /upgrade: the new generation does not become ready/.test(String(msg)));
    t.match(line['reason'], /^(worker|control): ended with 1/);
    t.same(await pids(), before, 'the same workers serve');
    writeFileSync(code, '');
    t.same(await loop.stop(), [], `none of ${loop.count()} requests failed`);
  });

  await t.test('control that cannot come back says why, and tries again', async (t) => {
    rmSync(join(folder, 'token'));
    process.kill(daemon.ready.pid, 'SIGKILL');
    const line = await daemon.line(({ reason }) => /what the configuration names has changed/.test(String(reason)));
    t.match(line['reason'], /token/);
    t.equal((await ask(router, 'shop.example')).status, 200, 'workers serve on');
    writeFileSync(join(folder, 'token'), 'test-token');
    await daemon.line(({ msg }) => msg === 'control serves again');
    t.same(await pids(), before);
  });

  await t.test('a user that does not exist', { skip: process.getuid?.() !== 0 && 'needs root' }, async (t) => {
    const file = join(daemon.directory, 'isthmus.yaml');
    writeFileSync(
      file,
      `
cluster: [{ mesos: { masters: ["${test.masters.url(0)}"] } }, { marathon: { urls: ["${test.marathon.url}"] } }]
router: { http: ["127.0.0.1:0"], groups: [external] }
admin: { listen: "127.0.0.1:0", token: "file:${folder}/token" }
workers: 2
user: nobody-of-this-name
`,
    );
    daemon.child.kill('SIGHUP');
    await daemon.line(({ msg }) => /reload: no new generation can be started|has mistakes/.test(String(msg)));
    t.same(await pids(), before);
    daemon.child.kill('SIGUSR2');
    t.equal((await ask(router, 'shop.example')).status, 200);
  });

  await t.test('a good one after all', async (t) => {
    const file = join(daemon.directory, 'isthmus.yaml');
    writeFileSync(
      file,
      `
cluster: [{ mesos: { masters: ["${test.masters.url(0)}"] } }, { marathon: { urls: ["${test.marathon.url}"] } }]
router: { http: ["127.0.0.1:0", "127.0.0.1:0"], groups: [external], noRoute: 404 }
admin: { listen: "127.0.0.1:0", token: "file:${folder}/token" }
workers: 2
`,
    );
    daemon.child.kill('SIGHUP');
    await eventually(
      'rule',
      30_000,
      () => ask(router, 'unknown.example').catch(() => null),
      (answer) => answer?.status === 404,
    );
    await eventually(
      'workers',
      30_000,
      () => pids().catch(() => before),
      (now) => now.every((pid) => !before.includes(pid)),
    );
    t.equal((await ask(router, 'shop.example')).status, 200);
  });
});
