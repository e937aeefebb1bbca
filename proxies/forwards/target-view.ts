// View `forwards`: for each app port that a forward names, the tasks that serve it. Knows the forwards' targets, and of the cluster no more.

import {
  addressOfAppPort,
  backendKey,
  fitness,
  isServing,
  makeBackend,
  sameRecord,
  type App,
  type Backend,
  type Delta,
  type Snapshot,
  type Task,
} from '../../src/cluster/index.ts';
import type { TableChange, View } from '../../src/ports/index.ts';
import { targetKey, type AppTarget, type TargetEntry } from './target-record.ts';

/** `targets`: as configured; twice the same is one record. */
export function createForwardView(targets: readonly AppTarget[]): View<TargetEntry> {
  const wanted = new Map(targets.map((target) => [targetKey(target), target]));
  const table = new Map<string, TargetEntry>();

  function settle(touched: Iterable<AppTarget>, snapshot: Snapshot): TableChange<TargetEntry> {
    const set: [string, TargetEntry][] = [];
    for (const target of touched) {
      const key = targetKey(target);
      const record = recordOf(target, snapshot);
      if (sameRecord(table.get(key), record)) continue;
      table.set(key, record);
      set.push([key, record]);
    }
    return { set, removed: [] };
  }

  return {
    name: 'forwards',
    table,
    rebuild: (snapshot) => settle(wanted.values(), snapshot),
    derive(delta, snapshot) {
      if (wanted.size === 0) return { set: [], removed: [] };
      const apps = appsOf(delta);
      return settle(
        [...wanted.values()].filter((target) => apps.has(target.id) || isJudged(table.get(targetKey(target)), delta)),
        snapshot,
      );
    },
    diagnostics: () => [],
    print: () => [...table.values()].map(printed).sort().join(''),
  };
}

/** Ids of the apps that an event was about, by themselves or by their tasks. */
function appsOf({ apps, tasks }: Delta): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const key of apps.keys()) ids.add(idOf(key));
  for (const { before, after } of tasks.values()) {
    for (const task of [before, after]) if (task !== undefined && task.appKey !== null) ids.add(idOf(task.appKey));
  }
  return ids;
}

const isJudged = (record: TargetEntry | undefined, { verdicts }: Delta): boolean =>
  verdicts.size > 0 && record?.backends.some(({ key }) => verdicts.has(key)) === true;

/** Keys of apps are the name of their Marathon and the id, which begins with a slash. */
const idOf = (appKey: string): string => appKey.slice(appKey.indexOf('/'));

function recordOf({ id, portName }: AppTarget, snapshot: Snapshot): TargetEntry {
  const key = targetKey({ id, portName });
  const apps = [...snapshot.apps.values()].filter((app) => app.id === id);
  const backends = new Map<string, Backend>();
  let hasPort = false;
  for (const app of apps) {
    const port = app.ports.find(({ name, index }) => name === portName || String(index) === portName);
    if (port === undefined) continue;
    hasPort = true;
    for (const task of tasksOf(app, snapshot)) {
      const address = addressOfAppPort(app, port, task);
      if (address === null) continue;
      const verdict = snapshot.verdicts.get(backendKey(address.ip, address.port));
      const fit = isUnchecked(app, task) ? 'down' : fitness(task, verdict);
      keepFitter(backends, makeBackend(address, task, fit));
    }
  }
  const reason =
    apps.length === 0 ? `there is no app ${id}` : hasPort ? 'no task serves it' : `it has no port ${portName}`;
  const sorted = [...backends.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  return Object.freeze({ id: key, backends: Object.freeze(sorted), reason: sorted.length === 0 ? reason : null });
}

const tasksOf = (app: App, snapshot: Snapshot): readonly Task[] =>
  [...(snapshot.tasksOfApp.get(app.key) ?? [])].flatMap((key) => snapshot.tasks.get(key) ?? []).filter(isServing);

/** A check is defined and has said nothing yet. */
const isUnchecked = (app: App, task: Task): boolean =>
  app.healthChecks.length > 0 && task.appHealth === null && task.healthy === null;

const rankOf = { up: 2, draining: 1, down: 0 } as const;

/** Two tasks may show one address while one ends and the other begins; the first of equals is the one with the lesser key. */
function keepFitter(backends: Map<string, Backend>, backend: Backend): void {
  const other = backends.get(backend.key);
  const difference = other === undefined ? 1 : rankOf[backend.state] - rankOf[other.state];
  if (difference > 0 || (difference === 0 && (backend.task ?? '') < (other?.task ?? '')))
    backends.set(backend.key, backend);
}

const printed = ({ id, backends, reason }: TargetEntry): string =>
  `${id} -> ${reason ?? backends.map(({ key, state }) => `${key} ${state}`).join(', ')}\n`;
