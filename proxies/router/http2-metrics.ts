// Counters of HTTP/2 clients that break rules or limits.

import type { CellFamily, Metrics } from '../../src/runtime/index.ts';

export interface Http2Metrics {
  /** Connections ended with GOAWAY, by `FaultReason`. */
  readonly faults: CellFamily;
  /** Streams reset by us, by `StreamReason`. */
  readonly resets: CellFamily;
}

export function createHttp2Metrics(metrics: Metrics): Http2Metrics {
  return {
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
