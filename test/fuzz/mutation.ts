// Mutations of octets: flips, cuts, repeats, numbers at their ends. The same for the same randomness.

import type { Random } from '../../src/runtime/index.ts';

export const below = (random: Random, end: number): number => Math.floor(random() * end);

function pick<T>(random: Random, items: readonly T[]): T {
  return items[below(random, items.length)] as T;
}

const edges = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff];

type Mutation = (bytes: Buffer, random: Random, others: readonly Buffer[]) => Buffer;

const mutations: readonly Mutation[] = [
  (bytes, random) => change(bytes, random, (octet) => octet ^ (1 << below(random, 8))),
  (bytes, random) => change(bytes, random, () => below(random, 256)),
  (bytes, random) => change(bytes, random, () => pick(random, edges)),
  (bytes, random) => bytes.subarray(0, below(random, bytes.length + 1)),
  (bytes, random) => {
    const at = below(random, bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), noise(random, 1 + below(random, 16)), bytes.subarray(at)]);
  },
  (bytes, random) => {
    const [from, to] = [below(random, bytes.length + 1), below(random, bytes.length + 1)];
    return Buffer.concat([bytes.subarray(0, Math.min(from, to)), bytes.subarray(Math.max(from, to))]);
  },
  (bytes, random) => {
    const from = below(random, bytes.length + 1);
    const piece = bytes.subarray(from, from + 1 + below(random, 40));
    return Buffer.concat([
      bytes.subarray(0, from),
      ...Array.from({ length: 1 + below(random, 6) }, () => piece),
      bytes.subarray(from),
    ]);
  },
  (bytes, random, others) => {
    const other = pick(random, others);
    return Buffer.concat([
      bytes.subarray(0, below(random, bytes.length + 1)),
      other.subarray(below(random, other.length + 1)),
    ]);
  },
];

/** One of `seeds` after none to five mutations; never longer than `most` octets. */
export function mutated(seeds: readonly Buffer[], random: Random, most: number): Buffer {
  let bytes = pick(random, seeds);
  for (let rounds = below(random, 6); rounds > 0; rounds--) bytes = pick(random, mutations)(bytes, random, seeds);
  return Buffer.from(bytes.subarray(0, most));
}

export function noise(random: Random, octets: number): Buffer {
  return Buffer.from(Array.from({ length: octets }, () => below(random, 256)));
}

function change(bytes: Buffer, random: Random, to: (octet: number) => number): Buffer {
  if (bytes.length === 0) return bytes;
  const copy = Buffer.from(bytes);
  const at = below(random, bytes.length);
  copy[at] = to(copy[at] as number) & 0xff;
  return copy;
}
