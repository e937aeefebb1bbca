// Idle watch: notices that a stream has brought no byte for too long. One timer, whatever the number of bytes.

import type { Clock, Timer } from '../runtime/index.ts';

export interface IdleWatch {
  /** Something came. */
  touch(): void;
  /** From now on so long may pass; null: any time. */
  limit(idleMs: number | null): void;
  stop(): void;
}

/** A timer that comes so late was held up by its own process, and so was the reading of what came meanwhile. */
const lateMs = 250;

export function watchIdle(clock: Clock, idleMs: number | null, onIdle: () => void): IdleWatch {
  let lastAt = clock.monotonic();
  let limitMs = idleMs;
  let timer: Timer | null = null;
  let hasLooked = false;
  const arm = (): void => {
    timer?.cancel();
    timer = null;
    if (limitMs === null) return;
    const left = limitMs - (clock.monotonic() - lastAt);
    const isHeldUp = left < -lateMs && !hasLooked;
    hasLooked = isHeldUp;
    if (left <= 0 && !isHeldUp) onIdle();
    else timer = clock.after(isHeldUp ? lateMs : left, arm);
  };
  arm();
  return {
    touch: () => void (lastAt = clock.monotonic()),
    limit(next) {
      limitMs = next;
      lastAt = clock.monotonic();
      arm();
    },
    stop() {
      limitMs = null;
      timer?.cancel();
    },
  };
}
