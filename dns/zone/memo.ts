// What is worked out once for many: forgotten as a whole when it has grown too large.

export interface Memo<V> {
  of(key: string, make: () => V): V;
  clear(): void;
}

export function createMemo<V>(most: number): Memo<V> {
  const held = new Map<string, V>();
  return {
    of(key, make) {
      const known = held.get(key);
      if (known !== undefined) return known;
      if (held.size >= most) held.clear();
      const made = make();
      held.set(key, made);
      return made;
    },
    clear: () => held.clear(),
  };
}
