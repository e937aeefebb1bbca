// Health in control: fed by the tables as they are published and by what workers tell, it turns into events of the snapshot. Keeps the word
// of operators over a restart.

import { addressOfAppPort, type Backend, type ClusterEvent, type Snapshot } from '../cluster/index.ts';
import {
  createHealth,
  type CheckRule,
  type Endpoint,
  type Health,
  type VipRecord,
  type WatchedSet,
} from '../../lb/index.ts';
import type { RouteRecord, ServiceEntry, SetEntry } from '../../proxies/router/index.ts';
import type { Store } from '../ports/index.ts';
import type { Clock, Logger, Metrics, Random } from '../runtime/index.ts';
import type { HealthConfig } from './config/index.ts';
import { versionOf } from './check-version.ts';
import { createSavedDrains } from './saved-drains.ts';
import type { TableName } from './message.ts';
import type { AnyChange } from './tables.ts';

export interface HealthKeeperOptions {
  /** Null: neither checks nor ejection; operators may drain all the same. */
  readonly config: HealthConfig | null;
  readonly store: Store | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly snapshot: () => Snapshot;
  readonly onEvents: (events: readonly ClusterEvent[]) => void;
}

export interface HealthKeeper {
  readonly health: Pick<Health, 'hear' | 'drain' | 'undrain' | 'backendsOf' | 'why'>;
  /** The tables have changed; `whole`: they are the first, complete. */
  published(changes: Readonly<Partial<Record<TableName, AnyChange>>>, whole: boolean): void;
  stop(): void;
}

export async function createHealthKeeper(options: HealthKeeperOptions): Promise<HealthKeeper> {
  const { config, clock, random, log, metrics } = options;
  const drains = createSavedDrains(options.store, log);
  let events: ClusterEvent[] = [];
  // Verdicts that follow from one change go as one, and never within the publication that they follow from.
  const flush = (): void => {
    const gathered = events;
    events = [];
    options.onEvents(gathered);
    drains.save(health.drained());
  };
  const health = createHealth({
    checks: config?.checks ?? false,
    eject: config?.eject ?? false,
    panicRatio: config?.panicRatio ?? 0,
    ...{ clock, random, log, metrics },
    onVerdicts: (verdicts) => {
      if (events.length === 0) queueMicrotask(flush);
      events.push(...verdicts);
    },
  });
  for (const backend of await drains.load()) health.drain(backend);
  const routes = new RouteSets(options.snapshot);
  return {
    health: {
      hear: (reports) => health.hear(reports),
      drain: (backend) => health.drain(backend),
      undrain: (backend) => health.undrain(backend),
      backendsOf: (task) => health.backendsOf(task),
      why: (backend) => health.why(backend),
    },
    published(changes, whole) {
      for (const key of changes.vips?.removed ?? []) health.follow(`vips ${key}`, null);
      for (const [key, record] of changes.vips?.set ?? []) health.follow(`vips ${key}`, setOfVip(record as VipRecord));
      for (const [id, set] of routes.follow(changes.routes)) health.follow(`routes ${id}`, set);
      // What a source that is away would show may only be missing.
      const isAllThere = [...options.snapshot().sources.values()].every(({ state }) => state === 'live');
      if (whole && isAllThere) health.settle();
    },
    stop: () => health.stop(),
  };
}

const setOfVip = ({ set, options }: VipRecord): WatchedSet => ({
  backends: set.backends,
  check: options?.check ?? null,
});

/** Joins the records of a route's backends with those that say how they are checked. */
class RouteSets {
  readonly #snapshot: () => Snapshot;
  readonly #sets = new Map<string, SetEntry>();
  readonly #services = new Map<string, ServiceEntry>();

  constructor(snapshot: () => Snapshot) {
    this.#snapshot = snapshot;
  }

  follow(change: AnyChange | undefined): ReadonlyMap<string, WatchedSet | null> {
    const touched = new Set<string>();
    for (const key of change?.removed ?? []) this.#forget(key, touched);
    for (const [, value] of change?.set ?? []) {
      const record = value as RouteRecord;
      if (record.kind === 'set') this.#sets.set(record.id, record);
      else if (record.kind === 'service') this.#services.set(record.id, record);
      else continue;
      touched.add(record.id);
    }
    return new Map([...touched].map((id) => [id, this.#watched(id)]));
  }

  #forget(key: string, touched: Set<string>): void {
    const colon = key.indexOf(':');
    const kind = key.slice(0, colon);
    const id = key.slice(colon + 1);
    if (kind !== 'set' && kind !== 'service') return;
    if (kind === 'set') this.#sets.delete(id);
    else this.#services.delete(id);
    touched.add(id);
  }

  #watched(id: string): WatchedSet | null {
    const set = this.#sets.get(id);
    if (set === undefined) return null;
    const service = this.#services.get(id);
    const rule = service?.check;
    if (service === undefined || rule === undefined) return { backends: set.backends, check: null };
    const { port, portIndex, ...asked } = rule;
    const check = { ...asked, ...versionOf(service.protocol, rule) };
    const checkAt = (backend: Backend): Endpoint | null =>
      port === undefined ? this.#otherPort(backend, portIndex) : { ip: backend.ip, port };
    return { backends: set.backends, check: check satisfies CheckRule, checkAt };
  }

  /** The same task at another port of its app, as the check asks for. */
  #otherPort({ task: key }: Backend, portIndex: number | undefined): Endpoint | null {
    const { tasks, apps } = this.#snapshot();
    const task = key === null ? undefined : tasks.get(key);
    const appKey = task?.appKey ?? null;
    const app = appKey === null ? undefined : apps.get(appKey);
    const port = app?.ports.find(({ index }) => index === portIndex);
    return app === undefined || task === undefined || port === undefined ? null : addressOfAppPort(app, port, task);
  }
}
