// One issuer at a time among edges that share a store: a lock that ends by itself when its holder is gone.

import { randomUUID } from 'node:crypto';
import type { Store } from '../../src/ports/index.ts';
import type { Clock, Timer } from '../../src/runtime/index.ts';

export interface HeldLock {
  /** Aborts when the lock is somebody else's after all: stop at once. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

export interface LockOptions {
  readonly store: Store;
  /** Of the store. */
  readonly storeKey: string;
  readonly clock: Clock;
}

interface Written {
  readonly holder: string;
  /** Epoch milliseconds: clocks of edges must agree to some seconds. */
  readonly until: number;
}

const lifeMs = 60_000;
const renewMs = lifeMs / 3;

/** Null: somebody else holds it. Rejects where the store cannot be used. */
export async function takeLock({ store, storeKey, clock }: LockOptions): Promise<HeldLock | null> {
  const holder = randomUUID();
  const make = (): Buffer => Buffer.from(JSON.stringify({ holder, until: clock.now() + lifeMs } satisfies Written));
  const found = await store.read(storeKey);
  if (found !== null && isHeld(found, clock.now())) return null;
  let written = make();
  if (!(await store.compareAndSet(storeKey, found, written))) return null;
  const lost = new AbortController();
  let timer: Timer;
  const renew = async (): Promise<void> => {
    const next = make();
    const isOurs = await store.compareAndSet(storeKey, written, next).catch(() => false);
    if (isOurs) written = next;
    else lost.abort();
  };
  let renewing = Promise.resolve();
  const arm = (): void => {
    timer = clock.after(renewMs, () => {
      renewing = renew().then(() => (lost.signal.aborted ? undefined : arm()));
    });
  };
  arm();
  return {
    lost: lost.signal,
    async release() {
      timer.cancel();
      await renewing;
      timer.cancel();
      // Where that fails the lock ends by itself.
      await store.compareAndSet(storeKey, written, null).catch(() => false);
    },
  };
}

function isHeld(bytes: Uint8Array, now: number): boolean {
  try {
    const { until } = JSON.parse(Buffer.from(bytes).toString()) as Partial<Written>;
    // Nobody writes one that is further away: then a clock was wrong.
    return typeof until === 'number' && until > now && until <= now + 2 * lifeMs;
  } catch {
    return false;
  }
}
