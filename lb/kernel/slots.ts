// Slots: which backend stands at which place of a picker. A backend's share of new connections is the number of its slots; a change moves
// as few of them as it can, since a slot that stays keeps its counter and costs no step.

import { pickerSizes } from './layout.ts';

export interface Share {
  /** `IP . PORT`, as nft writes it. */
  readonly backend: string;
  readonly weight: number;
}

/** Slots a backend gets where weights are no small whole numbers: one step is about a hundredth part of the VIP. */
const fineSlots = 64;
/** From here on each backend has several slots, so that a size which does not divide evenly is off by a quarter at most. */
const slotsEach = 4;
const mostSlots = pickerSizes.at(-1) as number;

/**
 * The number of slots of each share, in order. Weights are relative and above zero; whole ones whose sum is small are met exactly. Their
 * sum is one of `pickerSizes`. More shares than the largest picker has slots: the ones beyond get none.
 */
export function slotCounts(weights: readonly number[]): readonly number[] {
  const divisor = weights.reduce(gcd, 0);
  const exact = weights.map((weight) => weight / divisor);
  const total = sum(exact);
  if (weights.every(Number.isInteger) && pickerSizes.includes(total)) return exact;
  return spread(weights, sizeFor(weights));
}

function sizeFor(weights: readonly number[]): number {
  const isEven = weights.every((weight) => weight === weights[0]);
  const least = Math.max(
    isEven ? 1 : fineSlots,
    weights.length > fineSlots || !isEven ? weights.length * slotsEach : 1,
  );
  return pickerSizes.find((size) => size >= least) ?? mostSlots;
}

/** Largest remainders; nobody who has a weight goes without a slot while there are enough of them. */
function spread(weights: readonly number[], size: number): readonly number[] {
  const total = sum(weights);
  const wanted = weights.map((weight) => (weight / total) * size);
  const counts = wanted.map((share) => Math.max(size >= weights.length ? 1 : 0, Math.floor(share)));
  const byNeed = wanted.map((share, i) => ({ i, need: share - (counts[i] as number) })).sort((a, b) => b.need - a.need);
  let left = size - sum(counts);
  for (let at = 0; left > 0; at = (at + 1) % byNeed.length, left--)
    counts[byNeed[at]?.i ?? 0] = (counts[byNeed[at]?.i ?? 0] ?? 0) + 1;
  for (; left < 0; left++) {
    const largest = counts.indexOf(Math.max(...counts));
    counts[largest] = (counts[largest] as number) - 1;
  }
  return counts;
}

/** Backends by slot. What `held` has at a slot stays there while its share lasts; shares are ordered by their backend elsewhere. */
export function fillSlots(shares: readonly Share[], held: readonly string[]): readonly string[] {
  const counts = slotCounts(shares.map(({ weight }) => weight));
  const left = new Map(shares.map(({ backend }, i) => [backend, counts[i] ?? 0]));
  const slots: (string | null)[] = Array.from({ length: sum(counts) }, (_, slot) => {
    const backend = held[slot];
    const remaining = backend === undefined ? 0 : (left.get(backend) ?? 0);
    if (backend === undefined || remaining === 0) return null;
    left.set(backend, remaining - 1);
    return backend;
  });
  const missing = [...left].flatMap(([backend, count]) => Array.from({ length: count }, () => backend));
  let next = 0;
  return slots.map((backend) => backend ?? (missing[next++] as string));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
