// Every source keeps the contract of src/ports/orchestrator.ts.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createFakeCluster, startFakeMarathon, startFakeMasters } from '../../src/fakes/index.ts';
import {
  createFileOrchestrator,
  createMarathonOrchestrator,
  createMesosOrchestrator,
  mergeOrchestrators,
} from '../../src/orchestrator/index.ts';
import { orchestratorContract, type OrchestratorWorld } from '../contracts/orchestrator.ts';
import { surroundings } from './harness.ts';
import { shape } from './mesos/fold.ts';

const mesosLimits = { tickMs: 10, pollMs: 30, staggerMs: 20 };
const marathonLimits = { gatherMs: 5, apartMs: 20, pollMs: 30 };

async function mesos(mode: 'stream' | 'poll'): Promise<OrchestratorWorld> {
  const cluster = createFakeCluster({ seed: 3 });
  cluster.addAgent();
  const framework = cluster.addFramework({ name: 'marathon' });
  const masters = await startFakeMasters(cluster, { count: 2, heartbeatMs: 50 });
  return {
    orchestrator: createMesosOrchestrator({ masters: masters.urls, mode, limits: mesosLimits, ...surroundings() }),
    launch: (name) => cluster.running(cluster.launch({ framework, name, network: { mode: 'host' } })),
    breakSource: () => masters.lead(null),
    mendSource: () => masters.lead(1),
    async close() {
      await masters.close();
      await cluster.close();
    },
  };
}

async function marathon(): Promise<OrchestratorWorld> {
  const cluster = createFakeCluster({ seed: 4 });
  cluster.addAgent();
  const fake = await startFakeMarathon(cluster, { name: 'marathon', heartbeatMs: 50 });
  return {
    orchestrator: createMarathonOrchestrator({
      urls: fake.urls,
      name: 'marathon',
      limits: marathonLimits,
      ...surroundings(),
    }),
    launch: async (name) => {
      await fake.deploy({ id: `/${name}`, cmd: 'x', instances: 1 });
    },
    breakSource() {
      fake.faults(0).page = 'html-502';
      fake.emit('api_post_event');
    },
    mendSource: () => void (fake.faults(0).page = null),
    async close() {
      await fake.close();
      await cluster.close();
    },
  };
}

async function file(): Promise<OrchestratorWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-contract-'));
  const path = join(folder, 'cluster.json');
  const tasks: object[] = [];
  const write = (): void =>
    writeFileSync(path, JSON.stringify(shape.state({ tasks, agents: [shape.agent('S', '10.0.0.1')] })));
  write();
  return {
    orchestrator: createFileOrchestrator({ path, lookMs: 20, ...surroundings() }),
    launch(name) {
      tasks.push(shape.task('F', name, 'S'));
      write();
    },
    breakSource: () => writeFileSync(path, '{'),
    mendSource: write,
    close: async () => rmSync(folder, { recursive: true }),
  };
}

async function merged(): Promise<OrchestratorWorld> {
  const [first, second] = [await mesos('stream'), await file()];
  return {
    orchestrator: mergeOrchestrators([first.orchestrator, second.orchestrator]),
    launch: (name) => first.launch(name),
    breakSource: () => first.breakSource(),
    mendSource: () => first.mendSource(),
    async close() {
      await first.close();
      await second.close();
    },
  };
}

orchestratorContract(t, 'mesos by stream', () => mesos('stream'));
orchestratorContract(t, 'mesos by polling', () => mesos('poll'));
orchestratorContract(t, 'marathon', marathon);
orchestratorContract(t, 'file', file);
orchestratorContract(t, 'merge', merged);
