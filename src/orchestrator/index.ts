// Sources of cluster events: the only code that knows foreign APIs.

export { createFileOrchestrator } from './file.ts';
export { createMesosOrchestrator, type MesosOptions } from './mesos/mesos-orchestrator.ts';
export { createMarathonOrchestrator, type MarathonOptions } from './marathon/marathon-orchestrator.ts';
export type { MarathonLimits } from './marathon/attend.ts';
export { mergeOrchestrators, type MergeOptions } from './merge.ts';
export type { MesosLimits } from './mesos/session.ts';
export { partOfMarathon, partOfMesos, seedSource } from './seeded.ts';
export type { ZooKeeperOptions } from './zookeeper/follow-masters.ts';
export type { SourceAuth, SourceTls } from './credentials.ts';
