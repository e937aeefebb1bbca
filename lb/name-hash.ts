// Hashes that turn a VIP's name into the first candidate for its address, as dcos-net does (specs/l4lb.md §1.9).

import { createHash } from 'node:crypto';

const golden = 0x9e3779b9;
const initial = Math.imul(golden, 13) >>> 0;

/** Erlang's phash2 of a byte string: Jenkins's lookup2 with the initial value golden · 13; 32 bits unsigned. */
export function phash2(name: string): number {
  if (name === '') return initial;
  const bytes = Buffer.from(name, 'latin1');
  const state = Uint32Array.of(golden, golden, initial);
  let at = 0;
  for (; at + 12 <= bytes.length; at += 12) {
    add(state, 0, bytes.readUInt32LE(at));
    add(state, 1, bytes.readUInt32LE(at + 4));
    add(state, 2, bytes.readUInt32LE(at + 8));
    mix(state);
  }
  // The last block: the length takes the lowest byte of c, so what is left of c's bytes moves up by one.
  add(state, 2, bytes.length);
  for (let i = 0; at + i < bytes.length; i++) {
    const byte = bytes[at + i] ?? 0;
    if (i < 8) add(state, i >> 2, byte << (8 * (i & 3)));
    else add(state, 2, byte << (8 * (i - 7)));
  }
  mix(state);
  return state[2] ?? 0;
}

/** SHA-1 as a number of 160 bits. */
export function sha1Number(name: string): bigint {
  return BigInt(`0x${createHash('sha1').update(name, 'latin1').digest('hex')}`);
}

function add(state: Uint32Array, index: number, value: number): void {
  state[index] = (state[index] ?? 0) + value;
}

/** Shifts of the nine steps; the even third shift left, the others right. */
const shifts = [-13, 8, -13, -12, 16, -5, -3, 10, -15] as const;

function mix(state: Uint32Array): void {
  shifts.forEach((shift, step) => {
    const target = step % 3;
    const [one, two] = [(target + 1) % 3, (target + 2) % 3];
    const from = state[two] ?? 0;
    const shifted = shift < 0 ? from >>> -shift : from << shift;
    state[target] = ((state[target] ?? 0) - (state[one] ?? 0) - (state[two] ?? 0)) ^ shifted;
  });
}
