// Counters of HTTP/2 clients that break rules or limits.

import type { CellFamily, Metrics } from '../../src/runtime/index.ts';

export interface Http2Metrics {
  /** Connections ended with GOAWAY, by `FaultReason`. */
  readonly faults: CellFamily;
  /** Streams reset by us, by `StreamReason`. */
  readonly resets: CellFamily;
  /** Adds what a front keeps for its clients to the gauge, at each reading. */
  watchHeld(read: () => number): void;
}

export function createHttp2Metrics(metrics: Metrics): Http2Metrics {
  const held = metrics.gauge(
    'router_http2_held_bytes',
    'Octets kept for HTTP/2 clients that do not take them, and of their bodies that nobody reads yet.',
    [],
  );
  const fronts: (() => number)[] = [];
  metrics.onRead(() => (held.cell().value = fronts.reduce((sum, read) => sum + read(), 0)));
  return {
    watchHeld: (read) => void fronts.push(read),
    faults: metrics.counter(
      'router_http2_connections_ended_total',
      'Connections of HTTP/2 clients ended with GOAWAY for a broken rule or limit, by reason.',
      ['reason'],
    ),
    resets: metrics.counter('router_http2_streams_reset_total', 'Streams of HTTP/2 clients that the router reset.', [
      'reason',
    ]),
  };
}
