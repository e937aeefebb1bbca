// Whether this worker has more to do than it can: its event loop has been busy nearly all the time, and what came waited long for its turn.
// Begins after a while of that, ends when the wait is half as long, so that it does not flicker.

import type { Clock, Timer } from '../../src/runtime/index.ts';

export interface OverloadOptions {
  /** How long an event waits for the loop, in the median over a window, before new requests are refused; 0: never refused. */
  readonly mostDelayMs: number;
  /** Share of the time since the last call that the loop was not idle, 0 to 1. */
  readonly busyShare: () => number;
  readonly clock: Clock;
  readonly onChange: (isShedding: boolean, delayMs: number) => void;
}

export interface Overload {
  readonly isShedding: boolean;
  /** Median of the last whole window. */
  readonly delayMs: number;
  stop(): void;
}

const tickMs = 25;
/** One long turn, or a pause of the whole machine, is no overload: it is over when it is seen. */
const windowMs = 1_000;
const leastTicks = 4;
/** A loop that waits for the processor while it has little to do (a busy neighbour) is idle now and then. */
const leastBusyShare = 0.9;

export function watchOverload({ mostDelayMs, busyShare, clock, onChange }: OverloadOptions): Overload {
  const overload = { isShedding: false, delayMs: 0, stop: () => timer?.cancel() };
  let timer: Timer | null = null;
  let windowStart = clock.monotonic();
  let late: number[] = [];
  const judge = (delayMs: number): void => {
    const isBusy = busyShare() >= leastBusyShare;
    overload.delayMs = delayMs;
    const isShedding = isBusy && delayMs > (overload.isShedding ? mostDelayMs / 2 : mostDelayMs);
    if (isShedding === overload.isShedding) return;
    overload.isShedding = isShedding;
    onChange(isShedding, delayMs);
  };
  const tick = (): void => {
    const due = clock.monotonic() + tickMs;
    timer = clock.after(tickMs, () => {
      const now = clock.monotonic();
      late.push(Math.max(0, now - due));
      if (now - windowStart >= windowMs && late.length >= leastTicks) {
        judge(median(late));
        windowStart = now;
        late = [];
      }
      tick();
    });
  };
  if (mostDelayMs > 0) tick();
  return overload;
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** Of the time a process must have had a processor for: what waits for the work of others is not helped by refusing requests. */
const leastOwnShare = 0.4;

/** Of this process's own loop; 0 where it was starved. */
export function loopBusyShare(): () => number {
  let last = performance.eventLoopUtilization();
  let [lastCpu, lastAt] = [cpuMs(), performance.now()];
  return () => {
    const [now, cpu, at] = [performance.eventLoopUtilization(), cpuMs(), performance.now()];
    const { utilization } = performance.eventLoopUtilization(now, last);
    const isStarved = cpu - lastCpu < (at - lastAt) * leastOwnShare;
    [last, lastCpu, lastAt] = [now, cpu, at];
    return isStarved ? 0 : utilization;
  };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
