// Serials of the zones: the time in seconds, and one more at least with each change. A zone that changes more often than once a second
// runs ahead of the time: what is kept lets a restart of control go on above it all the same.

/** Told of every name that changed; says which zones have a new serial by that. */
export interface Serials {
  readonly apexes: readonly string[];
  /** 0 where none is kept: planes then count for themselves. */
  of(apex: string): number;
  /** Apexes whose zone holds one of `names`, each with its serial raised. */
  raise(names: Iterable<string>): readonly string[];
}

export const noSerials: Serials = { apexes: [], of: () => 0, raise: () => [] };

/** Where serials outlive the process. */
export interface KeptSerials {
  /** A serial that the zone has not had before; 0 where nothing is known of it. */
  floor(apex: string): number;
  note(apex: string, serial: number): void;
}

const notKept: KeptSerials = { floor: () => 0, note: () => undefined };

/** `now` in epoch milliseconds; apexes with their trailing dot. */
export function createSerials(
  apexes: readonly string[],
  now: () => number,
  onSerial: (zone: string, serial: number) => void,
  kept: KeptSerials = notKept,
): Serials {
  const serials = new Map(apexes.map((apex) => [apex, 0]));
  return {
    apexes,
    of: (apex) => serials.get(apex) ?? 0,
    raise(names) {
      const left = new Set(apexes);
      const changed: string[] = [];
      for (const name of names) {
        for (const apex of left) {
          if (name !== apex && !name.endsWith(`.${apex}`)) continue;
          left.delete(apex);
          changed.push(apex);
        }
        if (left.size === 0) break;
      }
      for (const apex of changed) {
        const before = serials.get(apex) ?? 0;
        const least = before === 0 ? kept.floor(apex) : before + 1;
        const serial = Math.max(least, Math.floor(now() / 1000)) >>> 0;
        serials.set(apex, serial);
        kept.note(apex, serial);
        onSerial(apex, serial);
      }
      return changed;
    },
  };
}
