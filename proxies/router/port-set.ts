// The backend set of one port of an app: who takes requests, who only finishes them, and who is asked when nobody else is left.

import { addressOfAppPort, backendKey, fitness, isServing, makeBackend } from '../../src/cluster/index.ts';
import type { App, AppPort, Backend, BackendKey, Snapshot, Task, Verdict } from '../../src/cluster/index.ts';
import { setIdOf } from './app-claims.ts';
import type { SetEntry } from './route-record.ts';

const rankOfState = { up: 2, draining: 1, down: 0 } as const;

/** Running tasks by fitness, ending ones as draining; tasks whose agent is lost only while nothing is up (specs/l7.md §1.4). */
export function setOfPort(app: App, port: AppPort, snapshot: Snapshot): SetEntry {
  const known = new Map<BackendKey, Backend>();
  const lost = new Map<BackendKey, Backend>();
  for (const key of snapshot.tasksOfApp.get(app.key) ?? []) {
    const task = snapshot.tasks.get(key);
    const address = task === undefined ? null : addressOfAppPort(app, port, task);
    if (task === undefined || address === null) continue;
    const verdict = snapshot.verdicts.get(backendKey(address.ip, address.port));
    if (isServing(task)) keep(known, makeBackend(address, task, fitness(task, verdict)));
    else if (isLost(task)) keep(lost, makeBackend(address, task, stateOfLost(verdict)));
  }
  const lastResort = lost.size > 0 && ![...known.values()].some((backend) => backend.state === 'up');
  if (lastResort) for (const backend of lost.values()) keep(known, backend);
  const backends = [...known.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  return Object.freeze({ kind: 'set', id: setIdOf(app, port), backends: Object.freeze(backends), lastResort } as const);
}

/** What a check or an operator said of the address still holds; nothing else is known. */
function stateOfLost(verdict: Verdict | undefined): Backend['state'] {
  if (verdict === 'drained') return 'draining';
  return verdict === 'failing' ? 'down' : 'up';
}

const isLost = (task: Task): boolean => task.state === 'TASK_LOST' || task.state === 'TASK_UNREACHABLE';

/** Two tasks may show one address while one ends and the other has just begun; the fitter one speaks for it, then the first by key. */
function keep(backends: Map<BackendKey, Backend>, backend: Backend): void {
  const other = backends.get(backend.key);
  if (other === undefined || order(backend, other) < 0) backends.set(backend.key, backend);
}

function order(a: Backend, b: Backend): number {
  return rankOfState[b.state] - rankOfState[a.state] || ((a.task ?? '') < (b.task ?? '') ? -1 : 1);
}
