// How many descriptors this process may still open: sessions are refused at nine tenths rather than that something else fails with EMFILE.

import { readdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../../src/runtime/index.ts';

export interface DescriptorBudget {
  /** Takes what a session needs, two descriptors; false: they are not there, and nothing was taken. */
  take(): boolean;
  give(): void;
  /** Open as last counted, and what was let in since. */
  readonly used: number;
}

export interface DescriptorOptions {
  readonly clock: Clock;
  /** Of the process; RLIMIT_NOFILE where absent. */
  readonly limit?: number;
  /** Counts what is open; /proc/self/fd where absent. */
  readonly count?: () => number;
}

const countMs = 1_000;
const perSession = 2;
const share = 0.9;

/** Counts at most once a second, and only where so many are open that it could matter; keeps account in between. */
export function createDescriptorBudget(options: DescriptorOptions): DescriptorBudget {
  const { clock, limit = descriptorLimit(), count = countDescriptors } = options;
  const most = limit * share;
  let used = count();
  let countedAt = clock.monotonic();
  return {
    take() {
      if (used >= most / 2 && clock.monotonic() - countedAt >= countMs) {
        countedAt = clock.monotonic();
        used = count();
      }
      if (used + perSession > most) return false;
      used += perSession;
      return true;
    },
    give: () => void (used -= perSession),
    get used() {
      return used;
    },
  };
}

/** What is open by the system's word; 0 where it has none. */
function countDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

function descriptorLimit(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return match === null ? Infinity : Number(match[1]);
  } catch {
    return Infinity;
  }
}
