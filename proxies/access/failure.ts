// One failure, four dialects (specs/proxies.md §8): what a reason means in SOCKS5, SOCKS4, HTTP and on a bare connection.

import type { DenialReason } from './rules.ts';

export type FailureReason =
  | DenialReason
  | 'nonexistent'
  | 'dns-timeout'
  | 'dns-failure'
  | 'refused'
  | 'network-unreachable'
  | 'host-unreachable'
  | 'connect-timeout'
  | 'connect-failure'
  | 'limit'
  | 'rate'
  | 'auth'
  | 'malformed'
  | 'via-loop'
  | 'upstream-reset'
  | 'bad-answer'
  | 'response-timeout'
  | 'unsupported'
  | 'stopping'
  | 'aborted';

export interface Dialects {
  /** REP of RFC 1928 §6. */
  readonly socks5: number;
  /** CD of SOCKS4: 91, rejected or failed. */
  readonly socks4: number;
  readonly status: number;
  /** Error token of RFC 9209 §2.3 for `Proxy-Status`. */
  readonly proxyStatus: string;
  /** How a connection without words ends. */
  readonly close: 'fin' | 'reset';
}

const dialects: Readonly<Record<FailureReason, readonly [number, number, string, Dialects['close']]>> = {
  denied: [0x02, 403, 'http_request_denied', 'fin'],
  rebind: [0x02, 403, 'destination_ip_prohibited', 'fin'],
  range: [0x02, 403, 'destination_ip_prohibited', 'fin'],
  loop: [0x02, 403, 'destination_ip_prohibited', 'fin'],
  nonexistent: [0x04, 502, 'dns_error', 'fin'],
  'dns-timeout': [0x04, 504, 'dns_timeout', 'fin'],
  'dns-failure': [0x04, 502, 'dns_error', 'fin'],
  refused: [0x05, 502, 'connection_refused', 'reset'],
  'network-unreachable': [0x03, 502, 'destination_ip_unroutable', 'reset'],
  'host-unreachable': [0x04, 504, 'connection_timeout', 'reset'],
  'connect-timeout': [0x04, 504, 'connection_timeout', 'reset'],
  'connect-failure': [0x01, 502, 'connection_terminated', 'reset'],
  limit: [0x01, 503, 'connection_limit_reached', 'reset'],
  rate: [0x02, 429, 'connection_limit_reached', 'reset'],
  auth: [0x02, 407, 'http_request_denied', 'fin'],
  malformed: [0x01, 400, 'http_request_error', 'fin'],
  'via-loop': [0x02, 508, 'proxy_loop_detected', 'fin'],
  'upstream-reset': [0x01, 502, 'connection_terminated', 'reset'],
  'bad-answer': [0x01, 502, 'http_protocol_error', 'reset'],
  'response-timeout': [0x01, 504, 'http_response_timeout', 'reset'],
  unsupported: [0x07, 501, 'http_request_error', 'fin'],
  stopping: [0x01, 503, 'proxy_internal_response', 'reset'],
  aborted: [0x01, 502, 'connection_terminated', 'reset'],
};

export function dialectsOf(reason: FailureReason): Dialects {
  const [socks5, status, proxyStatus, close] = dialects[reason];
  return { socks5, socks4: 91, status, proxyStatus, close };
}

/** Reason of a failed connect, from the system's error code. */
export function reasonOfError(code: string): FailureReason {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'ENETUNREACH':
    case 'ENETDOWN':
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return 'network-unreachable';
    case 'EHOSTUNREACH':
    case 'EHOSTDOWN':
      return 'host-unreachable';
    case 'ETIMEDOUT':
      return 'connect-timeout';
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOBUFS':
      return 'limit';
    default:
      return 'connect-failure';
  }
}
