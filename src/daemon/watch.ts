// Watches the cluster for as long as the daemon runs: serves by the saved snapshot until the sources speak, follows them, and saves what
// they say. A source that ends or breaks is opened again; what was said before keeps serving.

import type { ClusterEvent, Snapshot } from '../cluster/index.ts';
import type { Orchestrator } from '../ports/index.ts';
import { messageOf, type Clock, type Logger, type Timer } from '../runtime/index.ts';
import { createSnapshotSaver, loadSnapshot } from '../store/index.ts';
import type { Store } from '../ports/index.ts';

const saveEveryMs = 10_000;
/** How long the first save waits: of a large cluster there are tables to be made and told first. */
const firstSaveMs = ({ tasks }: Snapshot): number => 500 + tasks.size / 5;
/** How often the age of an unchanged snapshot is written down. */
const confirmEveryMs = 3600_000;
/** Addresses are given to others by then: a saved snapshot that is older is worse than none. */
const mostAgeMs = 7 * 86_400_000;
const reopenMs = 1_000;
/** A store that does not answer must not keep a process that is to end. */
const mostStopMs = 10_000;

export interface WatchOptions {
  /** `known`: what is being served as the sources are opened, so that a master that has just failed over does not wipe it. */
  readonly open: (known: Snapshot) => Orchestrator;
  /** Null: nothing is kept over a restart. */
  readonly store: Store | null;
  readonly clock: Clock;
  readonly log: Logger;
  readonly snapshot: () => Snapshot;
  readonly onEvents: (events: readonly ClusterEvent[]) => void;
}

export interface ClusterWatch {
  /** Reads everything anew. */
  restart(): void;
  /** Why nothing saved is served, `FUNCTION: what, why, remedy`, as long as nothing else is known. */
  problems(): readonly string[];
  stop(): Promise<void>;
}

export function watchCluster(options: WatchOptions): ClusterWatch {
  let abort = new AbortController();
  let stopped = false;
  let problem: string | null = null;
  const saving = keepSaved(options);
  const follow = async (): Promise<void> => {
    problem = await serveSaved(options);
    while (!stopped) {
      abort = new AbortController();
      try {
        for await (const events of options.open(options.snapshot()).watch(abort.signal)) {
          options.onEvents(events);
          saving.soon();
        }
      } catch (error) {
        options.log.error({ error: messageOf(error) }, 'bug: watching the cluster broke off; it is opened again');
      }
      if (!stopped && !abort.signal.aborted)
        await new Promise<void>((resolve) => options.clock.after(reopenMs, resolve));
    }
  };
  const following = follow();
  return {
    restart: () => abort.abort(),
    problems: () => (problem === null || options.snapshot().synced ? [] : [problem]),
    async stop() {
      stopped = true;
      abort.abort();
      await Promise.race([following, new Promise<void>((resolve) => options.clock.after(1_000, resolve))]);
      await saving.stop();
    },
  };
}

/** Null: served, or none was saved; else what is the matter with it. */
async function serveSaved({ store, clock, log, onEvents }: WatchOptions): Promise<string | null> {
  if (store === null) return null;
  try {
    const saved = await loadSnapshot(store);
    if (saved === null) return null;
    const ageSeconds = Math.round((clock.now() - saved.savedAt) / 1000);
    if (ageSeconds * 1000 > mostAgeMs) {
      log.warn(
        { ageSeconds, mostAgeSeconds: mostAgeMs / 1000 },
        'saved snapshot is too old to serve by; waiting for the cluster',
      );
      const days = Math.floor(ageSeconds / 86_400);
      return `store: the saved snapshot is ${days} days old, more than ${mostAgeMs / 86_400_000}; it is not served`;
    }
    log.info(
      { ageSeconds, tasks: saved.picture.tasks.length },
      'serving by the saved snapshot until the cluster answers',
    );
    onEvents([{ type: 'resync', picture: saved.picture }]);
    return null;
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'saved snapshot cannot be used; waiting for the cluster');
    return `store: the saved snapshot cannot be used: ${messageOf(error)}`;
  }
}

/** Saves at most every ten seconds, what a source said and that it still says so, and once more at the end. */
function keepSaved({ store, clock, log, snapshot }: WatchOptions): { soon(): void; stop(): Promise<void> } {
  const saver = store === null ? null : createSnapshotSaver(store);
  const everyMs = store?.largeEveryMs ?? saveEveryMs;
  let timer: Timer | null = null;
  let savedVersion = -1;
  let savedAt = -Infinity;
  let saving: Promise<void> = Promise.resolve();
  const save = async (): Promise<void> => {
    const current = snapshot();
    const live = [...current.sources.values()].some((source) => source.state === 'live');
    const isConfirmed = current.version === savedVersion && clock.monotonic() - savedAt < confirmEveryMs;
    if (saver === null || !current.synced || !live || isConfirmed) return;
    try {
      savedVersion = current.version;
      savedAt = clock.monotonic();
      await saver.save(current, clock.now());
    } catch (error) {
      savedVersion = -1;
      timer ??= clock.after(saveEveryMs, run);
      log.warn({ error: messageOf(error) }, 'snapshot cannot be saved; a restart during an outage would start empty');
    }
  };
  const run = (): void => {
    timer = null;
    saving = saving.then(save);
  };
  const confirm = (): void => {
    run();
    confirming = clock.after(confirmEveryMs, confirm);
  };
  let confirming = clock.after(confirmEveryMs, confirm);
  return {
    soon() {
      // Else a source that has merely answered would set the time.
      if (snapshot().synced) timer ??= clock.after(savedAt === -Infinity ? firstSaveMs(snapshot()) : everyMs, run);
    },
    async stop() {
      confirming.cancel();
      timer?.cancel();
      run();
      await Promise.race([saving, new Promise<void>((resolve) => clock.after(mostStopMs, resolve))]);
      timer?.cancel();
    },
  };
}
