// A reload while the cluster cannot be read and nothing was saved: what serves goes on by what it knows, and nobody hears of the attempt.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { askForever, eventually, resolve4 } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(120_000);

const state = JSON.stringify({
  leader: 'master@10.0.0.1:5050',
  slaves: [{ id: 'S1', hostname: '10.0.0.1', pid: 'slave(1)@10.0.0.1:5051' }],
  frameworks: [
    {
      id: 'F',
      name: 'marathon',
      tasks: [{ id: 't1', name: 'web', framework_id: 'F', slave_id: 'S1', state: 'TASK_RUNNING' }],
    },
  ],
});

/** Functions of a first start open by then, with or without a picture. */
const openAnywayMs = 3_000;

t.test('the new generation opens nothing before it knows the cluster', async (t) => {
  const folder = t.testdir({ 'state.json': state });
  const file = join(folder, 'state.json');
  const daemon = await startDaemon(`
cluster: [{ file: { path: "${file}" } }]
dns: { listen: ["127.0.0.1:0"], http: "127.0.0.1:0", upstreams: ["127.0.0.1:9"] }
admin: { listen: "127.0.0.1:0" }
workers: 1
`);
  t.teardown(() => daemon.stop());
  t.same(await resolve4(daemon, 'web.marathon.mesos'), ['10.0.0.1']);
  const asking = askForever(async () => {
    const addresses = await resolve4(daemon, 'web.marathon.mesos');
    const { ready } = await daemon.json<{ ready: boolean }>('/ready');
    return {
      status: addresses.length === 1 && ready ? 200 : 503,
      body: `${addresses.length} addresses, ready ${ready}`,
    };
  });
  rmSync(file);
  daemon.child.kill('SIGHUP');
  await daemon.line(({ msg, pid }) => msg === 'Cannot read the cluster file' && pid !== daemon.ready.pid);
  await new Promise((wake) => setTimeout(wake, openAnywayMs));
  const before = asking.count();
  await eventually(
    'requests',
    20_000,
    () => Promise.resolve(asking.count()),
    (count) => count > before + 10,
  );
  t.notOk(
    daemon.log.some(({ msg, generation }) => msg === 'ready' && generation === 2),
    'it is not ready',
  );
  writeFileSync(file, state);
  await daemon.line(({ msg, generation }) => msg === 'ready' && generation === 2);
  const after = asking.count();
  await eventually(
    'requests',
    20_000,
    () => Promise.resolve(asking.count()),
    (count) => count > after + 10,
  );
  t.same(await asking.stop(), [], `of ${asking.count()} times`);
});
