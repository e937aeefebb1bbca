// crypt(3) with SHA-256 (`$5$`) and SHA-512 (`$6$`), after the public specification of both.

import { hash } from 'node:crypto';
import { encode24 } from './crypt-alphabet.ts';

/** What glibc takes where the hash names no number. */
export const defaultRounds = 5000;
const leastRounds = 1000;

/** Result part of the hash, 43 or 86 letters. `salt`: up to 16 letters; `rounds` is raised to 1000. */
export function shaCrypt(password: Buffer, salt: string, rounds: number, bits: 256 | 512): string {
  const size = bits / 8;
  const digestOf = (parts: readonly Buffer[]): Buffer => hash(`sha${bits}`, Buffer.concat(parts), 'buffer');
  const saltBytes = Buffer.from(salt.slice(0, 16), 'latin1');
  const first = start(password, saltBytes, digestOf, size);
  const secret = repeated(digestOf(Array.from({ length: password.length }, () => password)), password.length);
  const grains = digestOf(Array.from({ length: 16 + at(first, 0) }, () => saltBytes));
  const seasoning = repeated(grains, saltBytes.length);
  let digest = first;
  for (let i = 0; i < Math.max(leastRounds, rounds); i++) {
    const odd = i % 2 === 1;
    const parts = [odd ? secret : digest];
    if (i % 3 !== 0) parts.push(seasoning);
    if (i % 7 !== 0) parts.push(secret);
    parts.push(odd ? digest : secret);
    digest = digestOf(parts);
  }
  return bits === 256 ? text256(digest) : text512(digest);
}

type DigestOf = (parts: readonly Buffer[]) => Buffer;

function start(password: Buffer, salt: Buffer, digestOf: DigestOf, size: number): Buffer {
  const other = digestOf([password, salt, password]);
  const parts: Buffer[] = [password, salt];
  for (let left = password.length; left > 0; left -= size) parts.push(other.subarray(0, Math.min(size, left)));
  for (let bits = password.length; bits > 0; bits >>= 1) parts.push((bits & 1) === 1 ? other : password);
  return digestOf(parts);
}

/** The digest, again and again, cut at `length`. */
function repeated(digest: Buffer, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = at(digest, i % digest.length);
  return bytes;
}

/** Triples of bytes 10 apart, their order turning from one to the next. */
function text256(digest: Buffer): string {
  let text = '';
  for (let i = 0; i < 10; i++) {
    const [a, b, c] = turned(i, 10, i % 3 === 0 ? 0 : i % 3 === 1 ? 2 : 1);
    text += encode24(at(digest, a), at(digest, b), at(digest, c), 4);
  }
  return text + encode24(0, at(digest, 31), at(digest, 30), 3);
}

function text512(digest: Buffer): string {
  let text = '';
  for (let i = 0; i < 21; i++) {
    const [a, b, c] = turned(i, 21, i % 3);
    text += encode24(at(digest, a), at(digest, b), at(digest, c), 4);
  }
  return text + encode24(0, 0, at(digest, 63), 2);
}

/** `i`, `i + step`, `i + 2 step`, beginning with the one at `shift`. */
function turned(i: number, step: number, shift: number): readonly [number, number, number] {
  const index = (k: number): number => i + ((k + shift) % 3) * step;
  return [index(0), index(1), index(2)];
}

const at = (digest: Buffer, i: number): number => digest[i] as number;
