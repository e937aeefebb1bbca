// Connections to backends of either version: requests do not know which it is.

import {
  createUpstreamPool,
  Deadlines,
  defaultUpstreamLimits,
  defaultUpstreamTimeouts,
  type UpstreamPool,
  type UpstreamPoolOptions,
} from '../http1/index.ts';
import { defaultHttp2UpstreamLimits, type Http2UpstreamLimits } from './upstream-limits.ts';
import { UpstreamShelf, type ShelfOptions } from './upstream-shelf.ts';

export interface AnyPoolOptions extends UpstreamPoolOptions {
  readonly http2?: Partial<Http2UpstreamLimits>;
}

/** A pool for targets of HTTP/1 and, where they say so, of HTTP/2. */
export function createAnyPool(options: AnyPoolOptions): UpstreamPool {
  const http1 = createUpstreamPool(options);
  const state = { draining: false };
  const shelves = new Map<string, UpstreamShelf>();
  const shared: ShelfOptions = {
    limits: { ...defaultUpstreamLimits, ...options.limits },
    http2: { ...defaultHttp2UpstreamLimits, ...options.http2 },
    timeouts: { ...defaultUpstreamTimeouts, ...options.timeouts },
    deadlines: new Deadlines(options.clock),
    http1,
    state,
  };
  const shelfOf = (key: string): UpstreamShelf => {
    let shelf = shelves.get(key);
    if (shelf === undefined) {
      const made = (shelf = new UpstreamShelf(shared, () => {
        if (shelves.get(key) === made) shelves.delete(key);
      }));
      shelves.set(key, shelf);
    }
    return shelf;
  };
  return {
    acquire(target, user, acquire = {}) {
      if (target.http2 === undefined) return http1.acquire(target, user, acquire);
      return shelfOf(target.key).acquire(target, user, acquire);
    },
    retire(key) {
      http1.retire(key);
      for (const [held, shelf] of [...shelves]) if (held === key || held.startsWith(`${key} `)) shelf.retire();
    },
    drain() {
      state.draining = true;
      http1.drain();
      for (const shelf of [...shelves.values()]) shelf.retire();
    },
    destroy() {
      state.draining = true;
      http1.destroy();
      for (const shelf of [...shelves.values()]) shelf.destroy();
    },
    counts(key) {
      const sum = { ...http1.counts(key) };
      for (const [held, { counts }] of shelves) {
        if (key !== undefined && held !== key) continue;
        sum.open += counts.open;
        sum.idle += counts.idle;
        sum.waiting += counts.waiting;
      }
      return sum;
    },
  };
}
