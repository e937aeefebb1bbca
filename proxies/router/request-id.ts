// Request ids: UUIDv7 (RFC 9562 §5.7), or what a trusted peer gave.

import type { Clock, Random } from '../../src/runtime/index.ts';

/** What is kept of a trusted peer's X-Request-Id (specs/l7.md §3.13). */
export const isRequestId = (text: string): boolean => /^[A-Za-z0-9._-]{1,128}$/.test(text);

/** Ids that sort by time; within a millisecond by a counter. */
export function createRequestIds(clock: Clock, random: Random): () => string {
  let ms = -1;
  let prefix = '';
  let counter = 0;
  return () => {
    const now = clock.now();
    if (now !== ms || counter === 0xfff) {
      ms = now;
      counter = Math.floor(random() * 0x800);
      const hex = Math.floor(now).toString(16).padStart(12, '0');
      prefix = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    } else counter++;
    const high = hex32(random());
    const low = hex32(random());
    const variant = '89ab'[parseInt(high[0] as string, 16) & 3] as string;
    return `${prefix}${counter.toString(16).padStart(3, '0')}-${variant}${high.slice(1, 4)}-${high.slice(4)}${low}`;
  };
}

const hex32 = (fraction: number): string =>
  Math.floor(fraction * 0x1_0000_0000)
    .toString(16)
    .padStart(8, '0');
