// A store that ends with the process: for those who need one where none is configured.

import type { Store } from '../ports/index.ts';

export function createMemoryStore(): Store {
  const values = new Map<string, Uint8Array>();
  return {
    read: async (key) => values.get(key) ?? null,
    write: async (key, value) => void values.set(key, value),
    async compareAndSet(key, expected, value) {
      const held = values.get(key);
      const isSame =
        held === undefined || expected === null ? (held ?? null) === expected : Buffer.compare(held, expected) === 0;
      if (!isSame) return false;
      if (value === null) values.delete(key);
      else values.set(key, value);
      return true;
    },
    list: async (prefix) => [...values.keys()].filter((key) => key.startsWith(prefix)).sort(),
  };
}
