// Sources of cluster events: the only code that knows foreign APIs.

export { createMesosOrchestrator, type MesosOptions } from './mesos/mesos-orchestrator.ts';
export { mesosLimits, type MesosLimits } from './mesos/session.ts';
export type { SourceAuth, SourceTls } from './credentials.ts';
