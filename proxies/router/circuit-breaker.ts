// A circuit breaker: spares a service that fails the requests it would fail anyway (specs/l7.md §7.2, as Traefik 1.7 has it).
//
// States: closed → open (the expression holds: everything is refused for `openMs`) → recovering (a share of the requests that grows over
// `recoveryMs` goes through) → closed; or from recovering to open again. Each worker has its own and sees its own requests alone.

import type { Clock, Random } from '../../src/runtime/index.ts';
import { parseBreakerExpression, type BreakerFigures, type Condition } from './breaker-expression.ts';
import type { Breaker } from './service-record.ts';

export type BreakerState = 'closed' | 'open' | 'recovering';

export interface BreakerTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly onChange: (state: BreakerState) => void;
}

const windowSeconds = 10;
const checkMs = 100;
const statuses = 600;
/** Latencies are counted by steps of two per cent, from a microsecond to an hour. */
const step = Math.log(1.02);
const steps = 1_200;

/** The requests of one second. */
class Slot {
  second = -1;
  total = 0;
  networkErrors = 0;
  readonly byStatus = new Uint32Array(statuses);
  readonly byLatency = new Uint32Array(steps);

  clear(second: number): void {
    this.second = second;
    this.total = this.networkErrors = 0;
    this.byStatus.fill(0);
    this.byLatency.fill(0);
  }
}

export class CircuitBreaker implements BreakerFigures {
  state: BreakerState = 'closed';
  readonly entry: Breaker;
  readonly #holds: Condition;
  readonly #tools: BreakerTools;
  readonly #slots = Array.from({ length: windowSeconds }, () => new Slot());
  #second = 0;
  #checkedMs = 0;
  #untilMs = 0;

  constructor(entry: Breaker, holds: Condition, tools: BreakerTools) {
    this.entry = entry;
    this.#holds = holds;
    this.#tools = tools;
  }

  /** Whether a request may go to the service now. */
  admits(): boolean {
    if (this.state === 'closed') return true;
    const nowMs = this.#tools.clock.monotonic();
    if (this.state === 'open') {
      if (nowMs < this.#untilMs) return false;
      this.#turn('recovering', nowMs + this.entry.recoveryMs);
    }
    const leftMs = this.#untilMs - nowMs;
    if (leftMs > 0) return this.#tools.random() > leftMs / this.entry.recoveryMs;
    this.#turn('closed', 0);
    return true;
  }

  /** A request that was let through is over. `isNetworkError`: no answer of a backend came for it. */
  ended(status: number, isNetworkError: boolean, ms: number): void {
    const nowMs = this.#tools.clock.monotonic();
    const slot = this.#slotAt(nowMs);
    slot.total++;
    if (isNetworkError) slot.networkErrors++;
    slot.byStatus[status] = (slot.byStatus[status] ?? 0) + 1;
    const at = Math.min(steps - 1, Math.max(0, Math.floor(Math.log(Math.max(1, ms * 1000)) / step)));
    slot.byLatency[at] = (slot.byLatency[at] as number) + 1;
    if (this.state === 'open' || nowMs - this.#checkedMs < checkMs) return;
    this.#checkedMs = nowMs;
    if (!this.#holds(this)) return;
    this.#turn('open', nowMs + this.entry.openMs);
    for (const one of this.#slots) one.clear(-1);
  }

  requestCount(): number {
    return this.#sum((slot) => slot.total);
  }

  networkErrorRatio(): number {
    const total = this.#sum((slot) => slot.total);
    return total === 0 ? 0 : this.#sum((slot) => slot.networkErrors) / total;
  }

  codeRatio(from: number, to: number, ofFrom: number, ofTo: number): number {
    const between = (low: number, high: number): number =>
      this.#sum(({ byStatus }) => byStatus.subarray(low, high).reduce((sum, count) => sum + count, 0));
    const of = between(ofFrom, ofTo);
    return of === 0 ? 0 : between(from, to) / of;
  }

  latencyMs(percent: number): number {
    const wanted = (this.#sum((slot) => slot.total) * percent) / 100;
    let seen = 0;
    for (let at = 0; at < steps; at++) {
      seen += this.#sum(({ byLatency }) => byLatency[at] as number);
      if (seen > 0 && seen >= wanted) return Math.exp(at * step) / 1000;
    }
    return 0;
  }

  #turn(state: BreakerState, untilMs: number): void {
    this.state = state;
    this.#untilMs = untilMs;
    this.#tools.onChange(state);
  }

  #slotAt(nowMs: number): Slot {
    this.#second = Math.floor(nowMs / 1000);
    const slot = this.#slots[this.#second % windowSeconds] as Slot;
    if (slot.second !== this.#second) slot.clear(this.#second);
    return slot;
  }

  #sum(of: (slot: Slot) => number): number {
    let sum = 0;
    for (const slot of this.#slots) if (slot.second > this.#second - windowSeconds) sum += of(slot);
    return sum;
  }
}

/** The breaker of a service: `former` where it asks for the same, null where it asks for none or for what nobody understands. */
export function breakerOf(
  entry: Breaker | undefined,
  former: CircuitBreaker | null,
  tools: BreakerTools,
): CircuitBreaker | null {
  if (entry === undefined) return null;
  if (former !== null && JSON.stringify(former.entry) === JSON.stringify(entry)) return former;
  const holds = parseBreakerExpression(entry.expression);
  return holds === null ? null : new CircuitBreaker(entry, holds, tools);
}
