// The backends of one port of an app or deployment group: who takes requests, who only finishes them, and who is asked when nobody else is left.

import { addressOfAppPort, backendKey, fitness, isServing, makeBackend } from '../../src/cluster/index.ts';
import type { App, AppPort, Backend, Snapshot, Task, TaskKey, Verdict } from '../../src/cluster/index.ts';
import { drainCount, healthyNew, targetInstances } from './labels/deployment-group.ts';
import type { LabelRules, LabelUnit, NamedBackend, SetPlan } from './labels/label-rules.ts';
import { serverName } from './labels/server-name.ts';
import type { SetEntry } from './route-record.ts';

const rankOfState = { up: 2, draining: 1, down: 0 } as const;

/** `fixedPort`: a number for all backends, instead of what each task listens on; null: none. */
export const planOfPort = (unit: LabelUnit, port: AppPort, rules: LabelRules, fixedPort: number | null): SetPlan => ({
  id: `${unit.key}:${port.index}`,
  collect: (snapshot) => collect(unit, port.index, rules, snapshot, fixedPort),
});

function collect(
  unit: LabelUnit,
  index: number,
  rules: LabelRules,
  snapshot: Snapshot,
  fixedPort: number | null,
): ReturnType<SetPlan['collect']> {
  const known: NamedBackend[] = [];
  const lost: NamedBackend[] = [];
  const drained = drainedTasks(unit, rules, snapshot);
  for (const app of unit.members) {
    const port = app.ports.find((one) => one.index === index);
    if (port === undefined) continue;
    for (const task of tasksOf(app, snapshot)) {
      const own = addressOfAppPort(app, port, task);
      if (own === null) continue;
      const address = fixedPort === null ? own : { ip: own.ip, port: fixedPort };
      const verdict = snapshot.verdicts.get(backendKey(address.ip, address.port));
      const state = stateOf(app, task, verdict, rules, drained);
      if (state === null) continue;
      const host = snapshot.agents.get(task.agentId)?.hostname ?? task.agentHost ?? task.agentIp ?? address.ip;
      const named = { backend: makeBackend(address, task, state), name: serverName(host, own.ip, own.port) };
      (isServing(task) || rules.labels === 'reference' ? known : lost).push(named);
    }
  }
  return { known, lost };
}

/** Null: the task is no backend. */
function stateOf(
  app: App,
  task: Task,
  verdict: Verdict | undefined,
  rules: LabelRules,
  drained: ReadonlySet<TaskKey>,
): Backend['state'] | null {
  const isReference = rules.labels === 'reference';
  if (isLost(task)) return stateOfLost(verdict);
  if (!isServing(task) || (isReference && task.state === 'TASK_KILLING')) return null;
  const counted = rules.healthCheck && !(isReference && task.anyAlive === true) ? task : withoutHealth(task);
  const state = fitness(counted, verdict);
  if (state === 'up' && rules.healthCheck && isUnchecked(app, task)) return 'down';
  return state === 'up' && drained.has(task.key) ? 'draining' : state;
}

/** A check is defined and has said nothing yet. */
const isUnchecked = (app: App, task: Task): boolean =>
  app.healthChecks.length > 0 && task.appHealth === null && task.healthy === null;

const withoutHealth = (task: Task): Task => ({ ...task, appHealth: null, healthy: null, hasHealthCheck: false });

/** Tasks of the older apps of a group that the newest one replaces by now, the first by id. */
function drainedTasks(unit: LabelUnit, rules: LabelRules, snapshot: Snapshot): ReadonlySet<TaskKey> {
  const { newest } = unit;
  if (newest === null) return none;
  const old = unit.members.filter((app) => app !== newest);
  const tasks = old.flatMap((app) => tasksOf(app, snapshot)).sort((a, b) => (a.id < b.id ? -1 : 1));
  const count = drainCount({
    oldTasks: tasks.length,
    oldInstances: old.reduce((sum, app) => sum + app.instances, 0),
    healthyNew: healthyNew(newest, tasksOf(newest, snapshot), rules.labels === 'reference'),
    target: targetInstances(newest),
  });
  return new Set(tasks.slice(0, count).map((task) => task.key));
}

const none: ReadonlySet<TaskKey> = new Set();

function tasksOf(app: App, snapshot: Snapshot): readonly Task[] {
  return [...(snapshot.tasksOfApp.get(app.key) ?? [])].flatMap((key) => snapshot.tasks.get(key) ?? []);
}

/** The record of a set from all that claim it. Tasks whose agent is lost count only while nothing is up (specs/l7.md §1.4). */
export function setOfPlans(id: string, plans: readonly SetPlan[], snapshot: Snapshot): SetEntry {
  const known = new Map<string, NamedBackend>();
  const lost = new Map<string, NamedBackend>();
  for (const plan of plans) {
    const found = plan.collect(snapshot);
    for (const named of found.known) keep(known, named);
    for (const named of found.lost) keep(lost, named);
  }
  const lastResort = lost.size > 0 && ![...known.values()].some(({ backend }) => backend.state === 'up');
  if (lastResort) for (const named of lost.values()) keep(known, named);
  const sorted = [...known.values()].sort((a, b) => (a.backend.key < b.backend.key ? -1 : 1));
  return Object.freeze({
    kind: 'set',
    id,
    backends: Object.freeze(sorted.map(({ backend }) => backend)),
    names: Object.freeze(sorted.map(({ name }) => name)),
    lastResort,
  } as const);
}

/** What a check or an operator said of the address still holds; nothing else is known. */
function stateOfLost(verdict: Verdict | undefined): Backend['state'] {
  if (verdict === 'drained') return 'draining';
  return verdict === 'failing' ? 'down' : 'up';
}

const isLost = (task: Task): boolean => task.state === 'TASK_LOST' || task.state === 'TASK_UNREACHABLE';

/** Two tasks may show one address while one ends and the other has just begun; the fitter one speaks for it, then the first by key. */
function keep(backends: Map<string, NamedBackend>, named: NamedBackend): void {
  const other = backends.get(named.backend.key);
  if (other === undefined || order(named.backend, other.backend) < 0) backends.set(named.backend.key, named);
}

function order(a: Backend, b: Backend): number {
  return rankOfState[b.state] - rankOfState[a.state] || ((a.task ?? '') < (b.task ?? '') ? -1 : 1);
}
