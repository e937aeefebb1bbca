// Runs an orchestrator into a snapshot, as the daemon does, and waits for what the test expects of it.

import { emptySnapshot, reduce, type ClusterEvent, type Snapshot, type Task } from '../../src/cluster/index.ts';
import type { Orchestrator } from '../../src/ports/index.ts';
import { createMetrics, seededRandom, silentLogger, systemClock, type Metrics } from '../../src/runtime/index.ts';

export interface Followed {
  readonly snapshot: Snapshot;
  /** Every event so far. */
  readonly events: readonly ClusterEvent[];
  /** Resolves as soon as `condition` holds; rejects after ten seconds, saying what it waited for. */
  until(what: string, condition: (snapshot: Snapshot) => boolean): Promise<void>;
  task(id: string): Task | undefined;
  stop(): Promise<void>;
}

const patienceMs = 10_000;

export function follow(orchestrator: Orchestrator): Followed {
  const snapshot = emptySnapshot();
  const events: ClusterEvent[] = [];
  const waiting = new Set<() => void>();
  const stopping = new AbortController();
  const running = (async () => {
    for await (const batch of orchestrator.watch(stopping.signal)) {
      for (const event of batch) {
        events.push(event);
        reduce(snapshot, event);
      }
      for (const look of waiting) look();
    }
  })();
  return {
    snapshot,
    events,
    until: (what, condition) =>
      new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`waited in vain for: ${what}`)), patienceMs);
        const look = (): void => {
          if (!condition(snapshot)) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    task: (id) => [...snapshot.tasks.values()].find((task) => task.id === id),
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** What every orchestrator wants to be given. */
export const surroundings = (metrics: Metrics = createMetrics()) =>
  ({ clock: systemClock, random: seededRandom(7), log: silentLogger, metrics }) as const;

/** Value of a counter; 0 where it was never counted. */
export function counted(metrics: Metrics, name: string, labels: Readonly<Record<string, string>>): number {
  const values = metrics.read().find((metric) => metric.name === `isthmus_${name}`)?.values ?? [];
  const matching = values.filter((value) => Object.entries(labels).every(([key, text]) => value.labels[key] === text));
  return matching.reduce((sum, value) => sum + value.value, 0);
}
