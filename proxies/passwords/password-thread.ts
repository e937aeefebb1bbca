// A thread that verifies passwords, so that the loop that carries traffic never waits for a hash.

import { parentPort } from 'node:worker_threads';
import { verifyHash } from './password-hash.ts';

export interface PasswordQuestion {
  readonly id: number;
  readonly password: Uint8Array;
  readonly hash: string;
}

export interface PasswordVerdict {
  readonly id: number;
  readonly right: boolean;
}

parentPort?.on('message', ({ id, password, hash }: PasswordQuestion) => {
  const verdict: PasswordVerdict = { id, right: verifyHash(Buffer.from(password), hash) };
  parentPort?.postMessage(verdict);
});
