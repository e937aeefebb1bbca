// Addresses that are open, by name, where they come and go in thousands: what changed since the last word is told without looking at the rest.

/** Names whose address is another one now, and names that are gone. */
export interface AddressChange {
  readonly set: readonly (readonly [name: string, address: string])[];
  readonly removed: readonly string[];
}

/** Of several addresses under one name the last in the order of text is told. */
export class OpenAddresses {
  /** A list where there are several: seldom. */
  readonly #held = new Map<string, string | readonly string[]>();
  readonly #changed = new Set<string>();

  add(name: string, address: string): void {
    const held = this.#held.get(name);
    this.#held.set(name, held === undefined ? address : [...listOf(held), address].sort());
    this.#changed.add(name);
  }

  delete(name: string, address: string): void {
    const rest = listOf(this.#held.get(name) ?? []).filter((one) => one !== address);
    if (rest.length === 0) this.#held.delete(name);
    else this.#held.set(name, rest.length === 1 ? (rest[0] as string) : rest);
    this.#changed.add(name);
  }

  clear(): void {
    for (const name of this.#held.keys()) this.#changed.add(name);
    this.#held.clear();
  }

  /** Made anew each time, in no order. */
  all(): Readonly<Record<string, string>> {
    const all: Record<string, string> = {};
    for (const [name, held] of this.#held) all[name] = typeof held === 'string' ? held : (held.at(-1) as string);
    return all;
  }

  /** Since this was asked last; null: nothing. */
  takeChange(): AddressChange | null {
    if (this.#changed.size === 0) return null;
    const set: (readonly [string, string])[] = [];
    const removed: string[] = [];
    for (const name of this.#changed) {
      const address = this.#of(name);
      if (address === undefined) removed.push(name);
      else set.push([name, address]);
    }
    this.#changed.clear();
    return { set, removed };
  }

  #of(name: string): string | undefined {
    const held = this.#held.get(name);
    return typeof held === 'object' ? held.at(-1) : held;
  }
}

const listOf = (held: string | readonly string[]): readonly string[] => (typeof held === 'string' ? [held] : held);
