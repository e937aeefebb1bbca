// Bandwidth of a request that is no tunnel: one way of its bodies, paused while there is none left.

import type { Shaper } from '../../src/runtime/index.ts';

export interface Pace {
  /** Counts bytes that came. False: no more of them until `resume` has been called. */
  take(bytes: number): boolean;
  /** Waiting for bandwidth: who has room for more does not change that. */
  readonly isHeld: boolean;
}

export function createPace(shaper: Shaper, resume: () => void): Pace {
  /** One read may hold several pieces, each of which is counted. */
  let waits = 0;
  const release = (): void => {
    if (--waits === 0) resume();
  };
  return {
    take(bytes) {
      if (!shaper.take(bytes, release)) waits++;
      return waits === 0;
    },
    get isHeld() {
      return waits > 0;
    },
  };
}
