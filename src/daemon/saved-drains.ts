// Backends that operators have drained, kept over a restart: what somebody took out of traffic must not come back by itself.

import type { BackendKey } from '../cluster/index.ts';
import type { Store } from '../ports/index.ts';
import { messageOf, type Logger } from '../runtime/index.ts';

const key = 'health/drained';

export interface SavedDrains {
  load(): Promise<readonly BackendKey[]>;
  /** Writes where they differ from what was saved. */
  save(drained: readonly BackendKey[]): void;
}

/** A store of null keeps nothing. */
export function createSavedDrains(store: Store | null, log: Logger): SavedDrains {
  let saved = '[]';
  return {
    async load() {
      try {
        const bytes = (await store?.read(key)) ?? null;
        const drained = bytes === null ? [] : (JSON.parse(Buffer.from(bytes).toString()) as unknown);
        if (!isKeys(drained)) throw new Error('it is no list of addresses');
        saved = JSON.stringify(drained);
        return drained;
      } catch (error) {
        log.error({ error: messageOf(error) }, 'cannot read which backends were drained: they take traffic again');
        return [];
      }
    },
    save(drained) {
      const text = JSON.stringify(drained);
      if (text === saved) return;
      saved = text;
      store?.write(key, Buffer.from(text)).catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, 'cannot save which backends are drained: a restart forgets it');
      });
    },
  };
}

const isKeys = (value: unknown): value is readonly BackendKey[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');
