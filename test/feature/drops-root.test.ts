// Started as root with a user: control and workers are that user, and everything that is done later (a worker replaced, a snapshot
// saved) works without root.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { needs } from '../needs.ts';
import { eventually, startCluster, startDaemonOn } from './cluster.ts';

t.setTimeout(60_000);

interface Limits {
  readonly pid: number;
  readonly openFiles: number;
  readonly openFilesLimit: number;
  readonly heapBytes: number;
}

interface Status {
  readonly control: Limits;
  readonly workers: readonly (Limits & { readonly appliedVersion: number })[];
}

/** A line of what the kernel knows of a process. */
const fieldOf = (pid: number, field: string): string =>
  new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]?.trim() ?? 'none';

const uidOf = (pid: number): string => fieldOf(pid, 'Uid').split('\t')[0] ?? 'none';

t.test('user: nobody', { skip: needs('root', 'setpriv') }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-test-'));
  chmodSync(directory, 0o755);
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const test = await startCluster();
  t.teardown(() => test.close());
  const daemon = await startDaemonOn(test, 1, `user: nobody\nstore: { dir: "${directory}/store" }\n`);
  t.teardown(() => daemon.stop());
  const nobody = /^nobody:[^:]*:(\d+)/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[1];
  const { workers, control } = await daemon.json<Status>('/v1/status');
  for (const { openFiles, openFilesLimit, heapBytes } of [control, ...workers])
    t.ok(openFiles > 2 && openFiles < openFilesLimit && heapBytes > 0, 'its limits are shown, root or not');
  const pids = [daemon.ready.pid, ...workers.map((worker) => worker.pid)];
  t.same(pids.map(uidOf), [nobody, nobody], 'neither control nor worker is root');
  const groups = spawnSync('id', ['-G', 'nobody'], { encoding: 'utf8' }).stdout.trim();
  for (const pid of pids) {
    t.equal(fieldOf(pid, 'Uid'), Array(4).fill(nobody).join('\t'), 'in each of its four user ids');
    t.equal(fieldOf(pid, 'Groups'), groups, "its groups are the account's");
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) t.match(fieldOf(pid, set), /^0+$/, `${set} is empty`);
    t.equal(fieldOf(pid, 'NoNewPrivs'), '1', 'and it can gain nothing by what it executes');
  }
  t.equal(uidOf(daemon.child.pid ?? 0), '0', 'the supervisor stays root: it binds, and starts the others');

  process.kill(workers[0]?.pid ?? 0, 'SIGKILL');
  const after = await eventually(
    'worker',
    10_000,
    () => daemon.json<Status>('/v1/status'),
    (now) => now.workers.some((worker) => worker.pid !== workers[0]?.pid && worker.appliedVersion >= 0),
  );
  t.equal(uidOf(after.workers[0]?.pid ?? 0), nobody, 'the next worker is found by a control that is not root');
  const saved = await eventually(
    'snapshot',
    5_000,
    async () => readdirSync(join(directory, 'store'), { recursive: true, encoding: 'utf8' }),
    (files) => files.includes('snapshot/last'),
  );
  t.ok(saved.includes('snapshot/last'), 'the snapshot is saved');
});
