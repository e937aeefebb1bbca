// Watches the cluster for as long as the daemon runs: serves by the saved snapshot until the sources speak, follows them, and saves what
// they say. A source that ends or breaks is opened again; what was said before keeps serving.

import type { ClusterEvent, Snapshot } from '../cluster/index.ts';
import type { Orchestrator } from '../ports/index.ts';
import { messageOf, type Clock, type Logger, type Timer } from '../runtime/index.ts';
import { loadSnapshot, saveSnapshot } from '../store/index.ts';
import type { Store } from '../ports/index.ts';

const saveEveryMs = 10_000;
const reopenMs = 1_000;

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
  stop(): Promise<void>;
}

export function watchCluster(options: WatchOptions): ClusterWatch {
  let abort = new AbortController();
  let stopped = false;
  const saving = keepSaved(options);
  const follow = async (): Promise<void> => {
    await serveSaved(options);
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
    async stop() {
      stopped = true;
      abort.abort();
      await Promise.race([following, new Promise<void>((resolve) => options.clock.after(1_000, resolve))]);
      await saving.stop();
    },
  };
}

async function serveSaved({ store, clock, log, onEvents }: WatchOptions): Promise<void> {
  if (store === null) return;
  try {
    const saved = await loadSnapshot(store);
    if (saved === null) return;
    const ageSeconds = Math.round((clock.now() - saved.savedAt) / 1000);
    log.info(
      { ageSeconds, tasks: saved.picture.tasks.length },
      'serving by the saved snapshot until the cluster answers',
    );
    onEvents([{ type: 'resync', picture: saved.picture }]);
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'saved snapshot cannot be used; waiting for the cluster');
  }
}

/** Saves at most every ten seconds, only what a source said, and once more at the end. */
function keepSaved({ store, clock, log, snapshot }: WatchOptions): { soon(): void; stop(): Promise<void> } {
  let timer: Timer | null = null;
  let savedVersion = -1;
  let saving: Promise<void> = Promise.resolve();
  const save = async (): Promise<void> => {
    timer = null;
    const current = snapshot();
    const live = [...current.sources.values()].some((source) => source.state === 'live');
    if (store === null || !current.synced || !live || current.version === savedVersion) return;
    try {
      savedVersion = current.version;
      await saveSnapshot(store, current, clock.now());
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'snapshot cannot be saved; a restart during an outage would start empty');
    }
  };
  const run = (): void => void (saving = saving.then(save));
  return {
    soon: () => void (timer ??= clock.after(savedVersion < 0 ? 500 : saveEveryMs, run)),
    async stop() {
      timer?.cancel();
      run();
      await saving;
    },
  };
}
