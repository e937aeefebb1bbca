// Request ids: UUIDv7 (RFC 9562 §5.7), or what a trusted peer gave.

import type { Clock, Random } from '../../src/runtime/index.ts';

/** What is kept of a trusted peer's X-Request-Id (specs/l7.md §3.13). */
export const isRequestId = (text: string): boolean => /^[A-Za-z0-9._-]{1,128}$/.test(text);

/** Three hexadecimal digits of each number below 4096. */
const hex: readonly string[] = Array.from({ length: 4096 }, (_, i) => i.toString(16).padStart(3, '0'));
const mostInMs = 0xfff;

/** Ids that sort by time; within a millisecond by a counter. What is random changes with the millisecond, and by its last digits always. */
export function createRequestIds(clock: Clock, random: Random): () => string {
  let ms = -1;
  let prefix = '';
  let middle = '';
  let counter = 0;
  return () => {
    const now = clock.now();
    if (now !== ms || counter === mostInMs) {
      ms = now;
      counter = Math.floor(random() * 0x800);
      const time = Math.floor(now).toString(16).padStart(12, '0');
      prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
      const digits = `${digit12(random)}${digit12(random)}${digit12(random)}${digit12(random)}`;
      middle = `-${'89ab'[Math.floor(random() * 4)] ?? '8'}${digits.slice(0, 3)}-${digits.slice(3)}`;
    } else counter++;
    return prefix + (hex[counter] as string) + middle + digit12(random);
  };
}

/** Twelve random bits as three digits. */
const digit12 = (random: Random): string => hex[(random() * 4096) | 0] as string;
