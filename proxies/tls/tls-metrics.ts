// What is counted of handshakes.

import type { Cell, Metrics } from '../../src/runtime/index.ts';

export interface TlsMetrics {
  readonly full: Cell;
  readonly resumed: Cell;
  /** Connections that went on as they came. */
  readonly passed: Cell;
  readonly refused: {
    readonly proxyHeader: Cell;
    readonly clientHello: Cell;
    readonly serverName: Cell;
    readonly handshake: Cell;
    readonly clientCertificate: Cell;
  };
}

export function createTlsMetrics(metrics: Metrics): TlsMetrics {
  const handshakes = metrics.counter('router_tls_handshakes_total', 'TLS handshakes that were completed.', ['kind']);
  const refused = metrics.counter('router_tls_refused_total', 'Connections that ended before a request.', ['reason']);
  return {
    full: handshakes.cell('full'),
    resumed: handshakes.cell('resumed'),
    passed: handshakes.cell('passed_through'),
    refused: {
      proxyHeader: refused.cell('proxy_header'),
      clientHello: refused.cell('client_hello'),
      serverName: refused.cell('server_name'),
      handshake: refused.cell('handshake'),
      clientCertificate: refused.cell('client_certificate'),
    },
  };
}
