// The Date field (RFC 9110 §6.6.1), written once a second.

import type { Clock } from '../../src/runtime/index.ts';

/** IMF-fixdate of the clock's present second. */
export function createHttpDate(clock: Clock): () => string {
  let second = -1;
  let text = '';
  return () => {
    const now = Math.floor(clock.now() / 1000);
    if (now !== second) {
      second = now;
      text = new Date(now * 1000).toUTCString();
    }
    return text;
  };
}
