// The key that somebody meant: the nearest of those that exist, by edits (a swap of neighbours is one).

/** The nearest of `known`, or null where none is near enough to be meant. */
export function nearestKey(written: string, known: readonly string[]): string | null {
  const most = Math.max(2, Math.floor(written.length / 3));
  let best: string | null = null;
  let bestDistance = most + 1;
  for (const key of known) {
    const distance = editDistance(written.toLowerCase(), key.toLowerCase(), bestDistance);
    if (distance < bestDistance && distance < Math.max(written.length, key.length))
      [best, bestDistance] = [key, distance];
  }
  return best;
}

/** Optimal string alignment: insertions, deletions, replacements, swaps of neighbours. Gives up at `atMost`. */
function editDistance(a: string, b: string, atMost: number): number {
  if (Math.abs(a.length - b.length) >= atMost) return atMost;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      current.push(least);
    }
    [before, previous] = [previous, current];
  }
  return previous[b.length] ?? atMost;
}
