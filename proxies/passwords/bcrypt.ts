// bcrypt (`$2a$`, `$2b$`, `$2x$` is refused, `$2y$`): Blowfish with an expensive key schedule. For threads that may be busy.

import { piWords, wordCount } from './blowfish-tables.ts';

const alphabet = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const subkeys = 18;
/** `OrpheanBeholderScryDoubt`, which is what is encrypted. */
const plainWords: readonly number[] = [0x4f727068, 0x65616e42, 0x65686f6c, 0x64657253, 0x63727944, 0x6f756274];

let initial: Uint32Array | null = null;

/** The 31 letters behind the salt. `salt`: 22 letters; `cost`: binary logarithm of the rounds. */
export function bcrypt(password: Buffer, salt: string, cost: number): string {
  const saltBytes = decode(salt, 16);
  // The zero behind the password is a part of the key; what is beyond 72 bytes is not.
  const key = Buffer.concat([password, Buffer.alloc(1)]).subarray(0, 72);
  const state = Uint32Array.from((initial ??= piWords()));
  expand(state, saltBytes, key);
  const none = Buffer.alloc(16);
  for (let i = 0; i < 2 ** cost; i++) {
    expand(state, none, key);
    expand(state, none, saltBytes);
  }
  const words = Uint32Array.from(plainWords);
  for (let i = 0; i < words.length; i += 2) {
    for (let round = 0; round < 64; round++) encipher(state, words, i);
  }
  const bytes = Buffer.alloc(24);
  words.forEach((word, i) => bytes.writeUInt32BE(word, i * 4));
  return encode(bytes.subarray(0, 23));
}

/** Mixes the key into the subkeys, then replaces everything by encryptions of the salt. */
function expand(state: Uint32Array, salt: Buffer, key: Buffer): void {
  let at = 0;
  for (let i = 0; i < subkeys; i++) {
    let word = 0;
    for (let k = 0; k < 4; k++) {
      word = (word << 8) | (key[at] as number);
      at = (at + 1) % key.length;
    }
    state[i] = (state[i] as number) ^ word;
  }
  const block = new Uint32Array(2);
  for (let i = 0; i < wordCount; i += 2) {
    const from = (i % 4) * 4;
    block[0] = (block[0] as number) ^ salt.readUInt32BE(from);
    block[1] = (block[1] as number) ^ salt.readUInt32BE(from + 4);
    encipher(state, block, 0);
    state[i] = block[0];
    state[i + 1] = block[1];
  }
}

function encipher(state: Uint32Array, block: Uint32Array, at: number): void {
  let left = (block[at] as number) ^ (state[0] as number);
  let right = block[at + 1] as number;
  for (let i = 1; i <= 16; i += 2) {
    right ^= mix(state, left) ^ (state[i] as number);
    left ^= mix(state, right) ^ (state[i + 1] as number);
  }
  block[at] = right ^ (state[17] as number);
  block[at + 1] = left;
}

function mix(state: Uint32Array, word: number): number {
  const a = state[subkeys + (word >>> 24)] as number;
  const b = state[subkeys + 256 + ((word >>> 16) & 255)] as number;
  const c = state[subkeys + 512 + ((word >>> 8) & 255)] as number;
  const d = state[subkeys + 768 + (word & 255)] as number;
  return (((a + b) ^ c) + d) | 0;
}

function encode(bytes: Buffer): string {
  let text = '';
  let bits = 0;
  let count = 0;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    for (count += 8; count >= 6; count -= 6) text += alphabet[(bits >> (count - 6)) & 63] as string;
    bits &= (1 << count) - 1;
  }
  return count === 0 ? text : text + (alphabet[(bits << (6 - count)) & 63] as string);
}

function decode(text: string, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let bits = 0;
  let count = 0;
  let at = 0;
  for (const letter of text) {
    bits = ((bits << 6) | alphabet.indexOf(letter)) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    if (at < length) bytes[at++] = (bits >> count) & 255;
  }
  return bytes;
}
