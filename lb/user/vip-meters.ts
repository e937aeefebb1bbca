// What the user-space plane counts. Labels are VIPs and fixed words, never what clients send.

import type { Cell, CellFamily, Metrics } from '../../src/runtime/index.ts';

export type ConnectFailure =
  'refused' | 'timeout' | 'unreachable' | 'no-backend' | 'limit' | 'rate' | 'allow' | 'other';

export interface VipMeters {
  /** By VIP as `NAME:PORT` or `IP:PORT`. */
  readonly connections: CellFamily;
  readonly failures: Readonly<Record<ConnectFailure, Cell>>;
  readonly active: Cell;
  /** Of UDP. */
  readonly sessions: Cell;
  readonly datagramsUp: Cell;
  readonly datagramsDown: Cell;
  /** Connections whose backend was gone until the deadline. */
  readonly cut: Cell;
  readonly unbound: Cell;
  readonly bytesUp: Cell;
  readonly bytesDown: Cell;
}

export function createVipMeters(metrics: Metrics): VipMeters {
  const failures = metrics.counter(
    'lb_vip_connect_failures_total',
    'Attempts to reach a backend of a VIP that failed, and connections for which none was left or that were too many.',
    ['reason'],
  );
  const bytes = metrics.counter(
    'lb_vip_bytes_total',
    'Bytes carried for VIPs, those of TCP counted when a connection ends.',
    ['direction'],
  );
  const datagrams = metrics.counter('lb_vip_datagrams_total', 'Datagrams carried for UDP VIPs.', ['direction']);
  return {
    connections: metrics.counter('lb_vip_connections_total', 'Connections accepted on a VIP, and sessions of UDP.', [
      'vip',
    ]),
    failures: {
      refused: failures.cell('refused'),
      timeout: failures.cell('timeout'),
      unreachable: failures.cell('unreachable'),
      'no-backend': failures.cell('no-backend'),
      limit: failures.cell('limit'),
      rate: failures.cell('rate'),
      allow: failures.cell('allow'),
      other: failures.cell('other'),
    },
    sessions: metrics.gauge('lb_vip_udp_sessions', 'Clients of UDP VIPs that stay with a backend.', []).cell(),
    datagramsUp: datagrams.cell('up'),
    datagramsDown: datagrams.cell('down'),
    cut: metrics
      .counter('lb_vip_cut_total', 'Connections reset at the deadline because their backend is gone.', [])
      .cell(),
    active: metrics.gauge('lb_vip_active_connections', 'Connections open on VIPs.', []).cell(),
    unbound: metrics.gauge('lb_vip_unbound', 'Addresses of VIPs that could not be opened.', [], 'max').cell(),
    bytesUp: bytes.cell('up'),
    bytesDown: bytes.cell('down'),
  };
}

export function connectFailure(code: string): ConnectFailure {
  switch (code) {
    case 'ECONNREFUSED':
    case 'ECONNRESET':
      return 'refused';
    case 'ETIMEDOUT':
      return 'timeout';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return 'unreachable';
    default:
      return 'other';
  }
}
