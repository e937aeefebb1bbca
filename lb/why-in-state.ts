// Why a backend takes traffic or takes none, in words for people.

import {
  isServing,
  type Backend,
  type BackendKey,
  type Snapshot,
  type Task,
  type Verdict,
} from '../src/cluster/index.ts';

/** Where reasons come from. */
export interface KnownOfBackends extends Pick<Snapshot, 'tasks' | 'verdicts'> {
  /** What health found out about a backend; null: nothing that speaks against it. */
  readonly whyJudged?: (backend: BackendKey) => string | null;
}

/** Of a backend that a task stands behind; one without is told by the configuration. */
export function whyInState(
  { key, task }: Pick<Backend, 'key' | 'task'>,
  { tasks, verdicts, whyJudged }: KnownOfBackends,
): string {
  return reasonOf(task === null ? undefined : tasks.get(task), verdicts.get(key), whyJudged?.(key) ?? null);
}

/** In the order in which fitness decides (src/cluster/backend.ts). */
function reasonOf(task: Task | undefined, verdict: Verdict | undefined, judged: string | null): string {
  if (task === undefined || !isServing(task)) return 'its task is gone';
  if (task.state === 'TASK_KILLING') return 'its task is being killed';
  if (verdict === 'drained') return 'drained by an operator';
  if (task.healthy === false) return 'unhealthy by the check of Mesos';
  if (task.appHealth === 'failing') return 'unhealthy by the check of Marathon';
  if (task.ready === false) return 'not ready by the readiness check of Marathon';
  if (verdict === 'failing') return judged ?? 'unhealthy by our own check';
  if (task.hasHealthCheck && task.healthy === null) return 'its health check has no result yet';
  return task.hasHealthCheck || task.appHealth !== null ? 'running and healthy' : 'running, without a health check';
}
