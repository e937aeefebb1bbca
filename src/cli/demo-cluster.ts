// The cluster of the demo: three masters, two Marathons and the apps' own small servers, all on loopback, and its churn.

import {
  createFakeCluster,
  startFakeMarathon,
  startFakeMasters,
  type FakeCluster,
  type FakeMarathon,
  type FakeMasters,
} from '../fakes/index.ts';
import { contractApps, rootApps } from './demo-apps.ts';

export interface DemoCluster {
  readonly cluster: FakeCluster;
  readonly masters: FakeMasters;
  readonly marathon: FakeMarathon;
  readonly contract: FakeMarathon;
  close(): Promise<void>;
}

export async function startDemoCluster(say: (line: string) => void): Promise<DemoCluster> {
  const cluster = createFakeCluster({ workloads: 'process' });
  for (const zone of ['a', 'b', 'a']) cluster.addAgent({ zone });
  const masters = await startFakeMasters(cluster, { count: 3 });
  const marathon = await startFakeMarathon(cluster, { name: 'marathon' });
  const contract = await startFakeMarathon(cluster, { name: 'marathon-contract', idStyle: 'legacy' });
  const deployments = [
    ...rootApps.map((app) => ({ app, by: marathon })),
    ...contractApps.map((app) => ({ app, by: contract })),
  ];
  await Promise.all(
    deployments.map(async ({ app, by }) => {
      await by.deploy(app as never);
      say(`deployed ${app.id}`);
    }),
  );
  return {
    cluster,
    masters,
    marathon,
    contract,
    async close() {
      await Promise.all([marathon.close(), contract.close()]);
      await masters.close();
      await cluster.close();
    },
  };
}

/** One thing after another happens to the cluster until `signal` aborts; each is said before it is done. */
export async function churn(
  demo: DemoCluster,
  everyMs: number,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const steps: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['scale /groupware/tomcat to 3', () => demo.marathon.scale('/groupware/tomcat', 3)],
    ['restart /homepage/web, rolling', () => demo.marathon.restart('/homepage/web')],
    ['scale /groupware/tomcat back to 2', () => demo.marathon.scale('/groupware/tomcat', 2)],
    ['kill one task of /e-contract/was', () => killOne(demo.contract, '/e-contract/was')],
    ['another master leads', async () => demo.masters.lead(((demo.masters.leader ?? 0) + 1) % 3)],
    ['restart /e-contract/was, rolling', () => demo.contract.restart('/e-contract/was')],
  ];
  for (let step = 0; !signal.aborted; step++) {
    const [what, act] = steps[step % steps.length] as (typeof steps)[number];
    say(what);
    await act();
    await pause(everyMs, signal);
  }
}

async function killOne(marathon: FakeMarathon, appId: string): Promise<void> {
  const [task] = marathon.tasks(appId);
  if (task !== undefined) await marathon.killTask(task.id);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
