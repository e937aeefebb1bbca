// What the access log is told of a request that is over. Entries are lent: the line is written before the call returns.

import type { Backend } from '../../src/cluster/index.ts';
import type { Peer, RequestView } from '../http1/index.ts';
import type { CompiledRoute } from './route-plane.ts';

export interface AccessEntry {
  readonly requestId: string;
  readonly peer: Peer;
  /** Behind trusted peers, else that of the peer. */
  readonly clientAddress: string;
  /** Null where its head was never whole. */
  readonly request: RequestView | null;
  /** Null: none matched. */
  readonly route: CompiledRoute | null;
  /** Null: nobody was asked. */
  readonly backend: Backend | null;
  /** Marathon-LB's name of the backend; ''. */
  readonly serverName: string;
  readonly status: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  /** To a connection to the backend, and from there to the head of its answer; -1 where it did not come to that. */
  readonly connectMs: number;
  readonly answerMs: number;
  readonly retries: number;
  readonly outcome: string;
}

/** Path and query as they were forwarded; `-` where nothing is known. */
export function targetOf(request: RequestView | null): string {
  if (request === null) return '-';
  return request.forwardTarget === '' ? request.authority : request.forwardTarget;
}

export const protocolOf = (version: number): string => (version === 20 ? 'HTTP/2' : `HTTP/1.${version - 10}`);

/** Of entries for requests that no backend saw. */
export const notForwarded = {
  route: null,
  backend: null,
  serverName: '',
  bytesIn: 0,
  bytesOut: 0,
  durationMs: 0,
  connectMs: -1,
  answerMs: -1,
  retries: 0,
};
