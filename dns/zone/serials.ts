// Serials of the zones: the time in seconds, and one more at least with each change, so that a restart of control goes on above them.

/** Told of every name that changed; says which zones have a new serial by that. */
export interface Serials {
  /** 0 where none is kept: planes then count for themselves. */
  of(apex: string): number;
  /** Apexes whose zone holds one of `names`, each with its serial raised. */
  raise(names: Iterable<string>): readonly string[];
}

export const noSerials: Serials = { of: () => 0, raise: () => [] };

/** `now` in epoch milliseconds; apexes with their trailing dot. */
export function createSerials(
  apexes: readonly string[],
  now: () => number,
  onSerial: (zone: string, serial: number) => void,
): Serials {
  const serials = new Map(apexes.map((apex) => [apex, 0]));
  return {
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
        const serial = Math.max((serials.get(apex) ?? 0) + 1, Math.floor(now() / 1000)) >>> 0;
        serials.set(apex, serial);
        onSerial(apex, serial);
      }
      return changed;
    },
  };
}
