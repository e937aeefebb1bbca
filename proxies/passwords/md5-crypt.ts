// crypt(3) with MD5, as `$1$` (glibc) and `$apr1$` (htpasswd): a thousand rounds, always.

import { hash } from 'node:crypto';
import { encode24 } from './crypt-alphabet.ts';

const rounds = 1000;

/** Result part of the hash, 22 letters. `salt`: up to 8 letters. `magic`: `$1$` or `$apr1$`. */
export function md5Crypt(password: Buffer, salt: string, magic: '$1$' | '$apr1$'): string {
  const saltBytes = Buffer.from(salt.slice(0, 8), 'latin1');
  const digest = stir(password, saltBytes, start(password, saltBytes, magic));
  let text = '';
  for (const [a, b, c] of order) text += encode24(at(digest, a), at(digest, b), at(digest, c), 4);
  return text + encode24(0, 0, at(digest, 11), 2);
}

const order: readonly (readonly [number, number, number])[] = [
  [0, 6, 12],
  [1, 7, 13],
  [2, 8, 14],
  [3, 9, 15],
  [4, 10, 5],
];

function start(password: Buffer, salt: Buffer, magic: string): Buffer {
  const other = md5([password, salt, password]);
  const parts: Buffer[] = [password, Buffer.from(magic, 'latin1'), salt];
  for (let left = password.length; left > 0; left -= 16) parts.push(other.subarray(0, Math.min(16, left)));
  for (let bits = password.length; bits > 0; bits >>= 1)
    parts.push((bits & 1) === 1 ? Buffer.alloc(1) : password.subarray(0, 1));
  return md5(parts);
}

function stir(password: Buffer, salt: Buffer, first: Buffer): Buffer {
  let digest = first;
  for (let i = 0; i < rounds; i++) {
    const odd = i % 2 === 1;
    const parts = [odd ? password : digest];
    if (i % 3 !== 0) parts.push(salt);
    if (i % 7 !== 0) parts.push(password);
    parts.push(odd ? digest : password);
    digest = md5(parts);
  }
  return digest;
}

const md5 = (parts: readonly Buffer[]): Buffer => hash('md5', Buffer.concat(parts), 'buffer');
const at = (digest: Buffer, i: number): number => digest[i] as number;
