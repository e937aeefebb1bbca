// Tells a backend that is quiet from one that has gone: when to send a PING, and when its answer is late.

import type { Http2UpstreamLimits } from './upstream-limits.ts';

export class UpstreamPulse {
  /** When the backend counts as gone; Infinity: nothing was asked. */
  lostAt = Infinity;
  readonly #limits: Pick<Http2UpstreamLimits, 'pingIdleMs' | 'pingQuietMs'>;
  #heardAt: number;

  constructor(limits: Pick<Http2UpstreamLimits, 'pingIdleMs' | 'pingQuietMs'>, now: number) {
    this.#limits = limits;
    this.#heardAt = now;
  }

  /** Any octet shows life. */
  heard(now: number): void {
    this.#heardAt = now;
    this.lostAt = Infinity;
  }

  /** When the next PING is due; `isIdle`: no stream is open. */
  pingAt(isIdle: boolean): number {
    if (this.lostAt !== Infinity) return Infinity;
    return this.#heardAt + (isIdle ? this.#limits.pingIdleMs : this.#limits.pingQuietMs);
  }
}
