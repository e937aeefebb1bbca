// Faults on purpose: a share of a route's requests is kept waiting or refused, to see how those who call take it (specs/l7.md §7.2).

import type { Clock, Random, Timer } from '../../src/runtime/index.ts';
import { errorAnswer, type LocalAnswer } from '../http1/index.ts';
import { hasField } from './named-value.ts';
import type { RequestFacts } from './request-facts.ts';
import type { Faults } from './traffic-record.ts';

/** Requests of one route that are kept waiting at once, in one worker; more go on without delay. */
const mostWaiting = 1_000;

export interface FaultTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly countFault: (kind: 'delay' | 'abort') => void;
}

export class FaultSource {
  readonly #faults: Faults;
  readonly #tools: FaultTools;
  #waiting = 0;

  constructor(faults: Faults, tools: FaultTools) {
    this.#faults = faults;
    this.#tools = tools;
  }

  /** How long the request has to wait, in milliseconds; 0: not at all. */
  drawDelay(facts: RequestFacts): number {
    const { delay } = this.#faults;
    if (delay === undefined || this.#waiting >= mostWaiting || !this.#strikes(delay.percent, facts)) return 0;
    this.#tools.countFault('delay');
    return delay.ms;
  }

  /** The answer instead of a backend's; null: the request goes on. */
  drawAbort(facts: RequestFacts): LocalAnswer | null {
    const { abort } = this.#faults;
    if (abort === undefined || !this.#strikes(abort.percent, facts)) return null;
    this.#tools.countFault('abort');
    const { requestId, request } = facts;
    const fields = [
      ['X-Request-Id', requestId],
      ['X-Isthmus-Fault', 'abort'],
    ] as const;
    return errorAnswer({ status: abort.status, detail: 'A fault on purpose.', requestId, fields }, request.fields);
  }

  /** The answer calls it off. */
  wait(ms: number, action: () => void): Timer {
    this.#waiting++;
    let isOver = false;
    const end = (): boolean => {
      if (isOver) return false;
      isOver = true;
      this.#waiting--;
      return true;
    };
    const timer = this.#tools.clock.after(ms, () => {
      if (end()) action();
    });
    return {
      cancel() {
        end();
        timer.cancel();
      },
    };
  }

  #strikes(percent: number, { request }: RequestFacts): boolean {
    const { untilMs = Infinity, header } = this.#faults;
    if (this.#tools.clock.now() >= untilMs) return false;
    if (header !== undefined && !hasField(request.fields, header)) return false;
    return this.#tools.random() * 100 < percent;
  }
}
