// The fakes' public face: a cluster model, masters and Marathons over it, and the tasks' own servers.
export { manualClock, systemClock } from './clock.ts';
export type { FakeClock, ManualClock } from './clock.ts';
export type { MasterSource, MasterView, SourceEvent } from './master-source.ts';
export type * from './mesos-shapes.ts';
export { createFakeCluster } from './cluster.ts';
export type { FakeCluster, FakeClusterOptions, TaskAddress } from './cluster.ts';
export type { AgentSpec, FrameworkSpec } from './agent-life.ts';
export type { ContainerSpec, HealthCheckSpec, NetworkSpec, PodSpec, PortSpec, TaskSpec } from './task-spec.ts';
export type { Workload, WorkloadMode } from './workload.ts';
export { startFakeMasters } from './mesos-master.ts';
export type { FakeMasters, FakeMastersOptions } from './mesos-master.ts';
export type { Disturbance, MasterAuth, MasterFaults } from './master-faults.ts';
export type { MesosVersion } from './mesos-version.ts';
export { createReplay } from './replay.ts';
export type { Recording, Replay } from './replay.ts';
export { createBigCluster } from './big-cluster.ts';
export type { BigCluster, BigClusterOptions } from './big-cluster.ts';
