// Keys of TLS session tickets: one set for all workers, kept over a restart, replaced once a day. Node holds one set, so each client
// makes one full handshake after a change.

import { randomBytes } from 'node:crypto';
import type { Store } from '../ports/index.ts';
import { messageOf, type Clock, type Logger, type Timer } from '../runtime/index.ts';

export interface TicketKeys {
  /** 48 octets, base64. Never logged, never shown. */
  current(): string;
  stop(): void;
}

interface Kept {
  readonly keys: string;
  /** Epoch milliseconds. */
  readonly madeAt: number;
}

const storeKey = 'certs/ticket-keys.json';
const lifeMs = 86_400_000;

export async function openTicketKeys(options: {
  readonly store: Store | null;
  readonly clock: Clock;
  readonly log: Logger;
  /** There are others now. */
  readonly onChange: () => void;
}): Promise<TicketKeys> {
  const { store, clock, log, onChange } = options;
  const make = async (): Promise<Kept> => {
    const made = { keys: randomBytes(48).toString('base64'), madeAt: clock.now() };
    try {
      await store?.write(storeKey, Buffer.from(JSON.stringify(made)));
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'TLS ticket keys cannot be kept; sessions do not outlive a restart');
    }
    return made;
  };
  let kept = (await readKept(store)) ?? (await make());
  if (clock.now() - kept.madeAt >= lifeMs || kept.madeAt > clock.now()) kept = await make();
  let timer: Timer;
  const arm = (): void => {
    timer = clock.after(Math.max(1_000, kept.madeAt + lifeMs - clock.now()), () => {
      void make().then((made) => {
        kept = made;
        onChange();
        arm();
      });
    });
  };
  arm();
  return { current: () => kept.keys, stop: () => timer.cancel() };
}

async function readKept(store: Store | null): Promise<Kept | null> {
  try {
    const bytes = (await store?.read(storeKey)) ?? null;
    const value = bytes === null ? null : (JSON.parse(Buffer.from(bytes).toString()) as Partial<Kept>);
    if (typeof value?.keys !== 'string' || typeof value.madeAt !== 'number') return null;
    return Buffer.from(value.keys, 'base64').length === 48 ? { keys: value.keys, madeAt: value.madeAt } : null;
  } catch {
    return null;
  }
}
