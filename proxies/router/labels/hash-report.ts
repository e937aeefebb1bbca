// Says of a password hash in a label that it lets nobody in: DES of old, or what is no hash. The hash itself is said nowhere.

import { hashProblem } from '../../passwords/index.ts';
import type { LabelReader } from './label-reader.ts';

export function reportHash(hash: string, key: string, reader: LabelReader): void {
  const problem = hashProblem(hash);
  if (problem === null) return;
  const hint = 'openssl passwd -6, or htpasswd -B';
  reader.report(key, 'error', `the hash cannot be verified, so it lets nobody in: ${problem}`, hint);
}
