// A process with one task of its own, to be killed: its task must not outlive it.
import { createFakeCluster } from '../../../src/fakes/index.ts';

const cluster = createFakeCluster({ workloads: 'process' });
cluster.addAgent();
const framework = cluster.addFramework({ name: 'f' });
const taskId = await cluster.start({ framework, name: 'web', ports: [{ name: 'http' }] });
process.send?.(cluster.address(taskId));
