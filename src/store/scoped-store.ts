// A store below a name of its own in another: for what each edge keeps for itself where several share one.

import type { Store } from '../ports/index.ts';

/** Keys of the result are those of `store` that begin with `scope` and a slash. */
export function scopedStore(store: Store, scope: string): Store {
  const below = `${scope}/`;
  return {
    ...store,
    read: (key) => store.read(below + key),
    write: (key, value) => store.write(below + key, value),
    compareAndSet: (key, expected, value) => store.compareAndSet(below + key, expected, value),
    list: async (prefix) => (await store.list(below + prefix)).map((key) => key.slice(below.length)),
  };
}
