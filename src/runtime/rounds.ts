// Rounds: many that look at something every so often share one timer, so that joining and leaving cost next to nothing.

import type { Clock, Timer } from './clock.ts';

export interface Rounds {
  /** Calls `look` every `periodMs` from now on, for the first time within one period, until the timer is cancelled. */
  join(periodMs: number, look: () => void): Timer;
}

interface Round {
  readonly looks: Set<() => void>;
  timer: Timer;
}

export function createRounds(clock: Clock): Rounds {
  const rounds = new Map<number, Round>();

  function begin(periodMs: number): Round {
    const looks = new Set<() => void>();
    const go = (): void => {
      round.timer = clock.after(periodMs, go);
      for (const look of looks) look();
    };
    const round: Round = { looks, timer: clock.after(periodMs, go) };
    rounds.set(periodMs, round);
    return round;
  }

  return {
    join(periodMs, look) {
      const round = rounds.get(periodMs) ?? begin(periodMs);
      round.looks.add(look);
      return {
        cancel() {
          if (!round.looks.delete(look) || round.looks.size > 0) return;
          round.timer.cancel();
          rounds.delete(periodMs);
        },
      };
    },
  };
}
