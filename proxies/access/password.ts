// Passwords: scrypt hashes as they stand in a users file, `scrypt$N$r$p$salt$hash` with salt and hash in base64.

import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

export interface PasswordHash {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** 32 MiB and some 80 ms; successes are cached, so that a busy client pays once. */
const defaultCost = { cost: 32_768, blockSize: 8, parallelization: 1 };
const hashBytes = 32;
const mostMemoryBytes = 256 * 1024 * 1024;

/** Null where `text` is no hash of this form, or one that would cost more than 256 MiB to check. */
export function parsePasswordHash(text: string): PasswordHash | null {
  const match = /^scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9+/]+={0,2})\$([A-Za-z0-9+/]+={0,2})$/.exec(text);
  if (match === null) return null;
  const [cost, blockSize, parallelization] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const isPowerOfTwo = cost > 1 && (cost & (cost - 1)) === 0;
  if (!isPowerOfTwo || blockSize < 1 || parallelization < 1 || parallelization > 16) return null;
  if (128 * cost * blockSize > mostMemoryBytes) return null;
  const salt = Buffer.from(match[4] ?? '', 'base64');
  const hash = Buffer.from(match[5] ?? '', 'base64');
  return salt.length < 8 || hash.length < 16 ? null : { cost, blockSize, parallelization, salt, hash };
}

/** What stands behind a name in a users file, with a fresh salt. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const made = { ...defaultCost, salt, hash: Buffer.alloc(hashBytes) };
  const hash = await derive(password, made);
  const { cost, blockSize, parallelization } = made;
  return ['scrypt', cost, blockSize, parallelization, salt.toString('base64'), hash.toString('base64')].join('$');
}

/** Compares in constant time; the work is done on libuv's threads. */
export async function verifyPassword(password: string, expected: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected), expected.hash);
}

/** Stands in for users that do not exist, so that they cost as much time as those who do. */
export const dummyHash: PasswordHash = { ...defaultCost, salt: randomBytes(16), hash: randomBytes(hashBytes) };

function derive(password: string, { cost, blockSize, parallelization, salt, hash }: PasswordHash): Promise<Buffer> {
  const options = { cost, blockSize, parallelization, maxmem: 128 * cost * blockSize + 1024 * 1024 * parallelization };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, hash.length, options, (error, derived) => {
      if (error === null) resolve(derived);
      else reject(error);
    });
  });
}
