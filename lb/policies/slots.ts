// Slots: candidates, each as often as its weight says and spread out evenly. Built once per set, so that a pick is an index.

/** Bounds what a lopsided set costs to build and hold; weights are kept to within a part in this many. */
const mostSlots = 1024;

/** Every candidate has at least one slot, whatever its weight. */
export function slotsOf<C extends { readonly weight: number }>(candidates: readonly C[]): readonly C[] {
  const first = candidates[0];
  if (first === undefined || candidates.every(({ weight }) => weight === first.weight)) return candidates;
  return spread(candidates);
}

/** The smooth weighted round of nginx: each slot goes to the candidate that is owed most, which pays with the total. */
function spread<C extends { readonly weight: number }>(candidates: readonly C[]): readonly C[] {
  const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
  const least = candidates.reduce((min, { weight }) => Math.min(min, weight), Infinity);
  const count = Math.max(candidates.length, Math.min(mostSlots, Math.round(total / least)));
  const owed = new Float64Array(candidates.length);
  const slots: C[] = [];
  for (let i = 0; i < count; i++) {
    const next = mostOwed(candidates, owed);
    owed[next] = (owed[next] ?? 0) - total;
    slots.push(candidates[next] as C);
  }
  const present = new Set(slots);
  return [...slots, ...candidates.filter((candidate) => !present.has(candidate))];
}

function mostOwed(candidates: readonly { readonly weight: number }[], owed: Float64Array): number {
  let most = 0;
  candidates.forEach(({ weight }, i) => {
    owed[i] = (owed[i] ?? 0) + weight;
    if ((owed[i] ?? 0) > (owed[most] ?? 0)) most = i;
  });
  return most;
}
