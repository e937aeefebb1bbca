// A cluster of one task behind three fake masters, followed by the Mesos source, for tests of what may go wrong between them.

import type { Test } from 'tap';
import { createFakeCluster, startFakeMasters, type FakeCluster, type FakeMasters } from '../../../src/fakes/index.ts';
import { createMesosOrchestrator, type MesosLimits, type MesosOptions } from '../../../src/orchestrator/index.ts';
import { follow, surroundings, type Followed } from '../harness.ts';

/** Waits of a test: as in earnest, but shorter. */
export const quick: Partial<MesosLimits> = {
  idleMs: 600,
  firstByteMs: 600,
  executorsMs: 20,
  recoveredMs: 50,
  tickMs: 10,
  pollMs: 50,
};

export interface Scene {
  readonly cluster: FakeCluster;
  readonly masters: FakeMasters;
  readonly followed: Followed;
  readonly taskId: string;
  readonly framework: string;
}

export async function scene(
  test: Test,
  more: { masters?: Parameters<typeof startFakeMasters>[1]; options?: Partial<MesosOptions>; pick?: number[] } = {},
): Promise<Scene> {
  const cluster = createFakeCluster({ seed: 1 });
  const agent = cluster.addAgent({ zone: 'a' });
  const framework = cluster.addFramework({ name: 'marathon' });
  const taskId = cluster.launch({ framework, name: 'web', agent, network: { mode: 'host' } });
  cluster.running(taskId);
  const masters = await startFakeMasters(cluster, { count: 3, heartbeatMs: 100, ...more.masters });
  const urls = more.pick === undefined ? masters.urls : more.pick.map((index) => masters.urls[index] as string);
  const followed = follow(
    createMesosOrchestrator({ masters: urls, limits: quick, ...surroundings(), ...more.options }),
  );
  test.teardown(async () => {
    await followed.stop();
    await masters.close();
    await cluster.close();
  });
  return { cluster, masters, followed, taskId, framework };
}

export const isRunning = (followed: Followed, id: string): boolean => followed.task(id)?.state === 'TASK_RUNNING';
