// Whether a process that says nothing hangs, or only waits for a processor: on a machine that has too much to do, whoever kills the ones
// that come late makes more to do.

import { readFileSync } from 'node:fs';

/** A processor's tick in milliseconds, as /proc counts (USER_HZ is 100 on every architecture that Node runs on). */
const tickMs = 10;
/** Silence of so many times the patience is too much, whatever the reason. */
const mostPatience = 10;

export interface Activity {
  /** By SIGSTOP or a debugger. */
  readonly isStopped: boolean;
  /** Time on a processor since the process began, in milliseconds. */
  readonly cpuMs: number;
}

/** One process's silence; times are those of a monotonic clock. */
export class Silence {
  readonly #activityOf: (pid: number) => Activity | null;
  #since: number;
  /** Time on a processor when the silence was noticed. */
  #cpuMs: number | null = null;

  constructor(now: number, activityOf: (pid: number) => Activity | null = readActivity) {
    this.#since = now;
    this.#activityOf = activityOf;
  }

  heard(now: number): void {
    this.#since = now;
    this.#cpuMs = null;
  }

  ms(now: number): number {
    return now - this.#since;
  }

  /**
   * Beyond its patience a process hangs that is stopped, or that computes: a quarter of the patience on a processor was time enough for a
   * sign of life. One that got no processor is waited for.
   */
  isHang(pid: number, now: number, patienceMs: number): boolean {
    const silentMs = this.ms(now);
    if (silentMs <= patienceMs / 2) return false;
    const activity = this.#activityOf(pid);
    if (activity === null) return silentMs > patienceMs;
    this.#cpuMs ??= activity.cpuMs;
    if (silentMs <= patienceMs) return false;
    const computedMs = activity.cpuMs - this.#cpuMs;
    return activity.isStopped || computedMs >= patienceMs / 4 || silentMs > patienceMs * mostPatience;
  }
}

/** Resident memory in octets by proc(5), `status`; 0 where nobody knows. */
export function readResident(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** proc(5), `stat`; null where there is none: the process is gone, or the machine has no /proc. */
export function readActivity(pid: number): Activity | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name may hold anything, blanks and brackets too.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { isStopped: /^[tT]$/.test(fields[0] ?? ''), cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs };
  } catch {
    return null;
  }
}
