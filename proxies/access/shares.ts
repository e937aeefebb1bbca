// A number of places that many share: from half of them on, nobody gets more than a quarter, so that one who takes all leaves others room.

export interface Shares {
  /** False: there is no place, or none for this one; null is nobody in particular. Each that was taken is given back once. */
  take(who: string | null): boolean;
  give(who: string | null): void;
}

export function createShares(most: number): Shares {
  const taken = new Map<string, number>();
  let all = 0;
  return {
    take(who) {
      const own = who === null ? 0 : (taken.get(who) ?? 0);
      if (all >= most || (all >= most / 2 && own >= most / 4)) return false;
      all++;
      if (who !== null) taken.set(who, own + 1);
      return true;
    },
    give(who) {
      all--;
      if (who === null) return;
      const left = (taken.get(who) ?? 0) - 1;
      if (left > 0) taken.set(who, left);
      else taken.delete(who);
    },
  };
}
