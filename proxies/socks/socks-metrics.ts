// Counters of the SOCKS proxy beside those that all proxies have.

import type { Cell, Metrics } from '../../src/runtime/index.ts';

/** `passed`, or why a datagram of a UDP association was dropped. */
export type DatagramOutcome =
  'passed' | 'stranger' | 'malformed' | 'fragment' | 'rate' | 'peers' | 'denied' | 'unresolved' | 'length' | 'error';

export interface SocksMetrics {
  handshakeFailure(why: string): void;
  /** Up: from the client. */
  datagram(direction: 'up' | 'down', outcome: DatagramOutcome): void;
}

export function createSocksMetrics(metrics: Metrics): SocksMetrics {
  const failures = metrics.counter('socks_handshake_failures_total', 'Handshakes that led to no request, by reason.', [
    'why',
  ]);
  const datagrams = metrics.counter(
    'socks_udp_datagrams_total',
    'Datagrams of UDP associations, passed on or dropped for a reason.',
    ['direction', 'outcome'],
  );
  const passed: Readonly<Record<'up' | 'down', Cell>> = {
    up: datagrams.cell('up', 'passed'),
    down: datagrams.cell('down', 'passed'),
  };
  return {
    handshakeFailure: (why) => void failures.cell(why).value++,
    datagram(direction, outcome) {
      if (outcome === 'passed') passed[direction].value++;
      else datagrams.cell(direction, outcome).value++;
    },
  };
}
