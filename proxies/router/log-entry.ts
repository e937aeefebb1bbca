// From a request that is over to its entry in the access log.

import type { CidrMatcher } from '../../src/runtime/index.ts';
import type { RequestView } from '../http1/index.ts';
import type { AccessEntry } from './access-log.ts';
import { clientAddress } from './forwarding-fields.ts';
import type { Forwarding } from './forwarding.ts';
import { traceIdOf } from './trace-context.ts';

/** An entry of which nothing is known yet. */
export const nobody = {
  method: '-',
  authority: '',
  target: '-',
  version: 11,
  bytesIn: 0,
  bytesOut: 0,
  durationMs: 0,
  connectMs: -1,
  answerMs: -1,
  secure: false,
  route: '',
  service: '',
  appId: '',
  server: '',
  serverName: '',
  task: '',
  retries: 0,
  traceId: '',
  userAgent: '',
  referer: '',
};

interface RequestWords {
  readonly method: string;
  readonly authority: string;
  readonly target: string;
  readonly version: number;
  readonly traceId: string;
  readonly userAgent: string;
  readonly referer: string;
}

export function ofRequest(request: RequestView | null): Partial<RequestWords> {
  if (request === null) return {};
  return {
    method: request.method,
    authority: request.authority,
    target: request.forwardTarget === '' ? request.authority : request.forwardTarget,
    version: request.version,
    traceId: traceIdOf(request.fields) ?? '',
    userAgent: request.fields.get('user-agent') ?? '',
    referer: request.fields.get('referer') ?? '',
  };
}

/** `nowMs`: monotonic. */
export function entryOf(
  forwarding: Forwarding,
  status: number,
  outcome: string,
  nowMs: number,
  trusted: CidrMatcher,
): AccessEntry {
  const { exchange, backend, route, startedMs, readyMs, answeredMs } = forwarding;
  const { request, peer } = exchange;
  return {
    ...nobody,
    ...ofRequest(request),
    requestId: forwarding.requestId,
    status,
    clientAddress: clientAddress(request, peer, trusted),
    clientPort: peer.port,
    peerAddress: peer.address,
    secure: peer.secure,
    bytesIn: exchange.bytesReceived,
    bytesOut: exchange.bytesSent,
    durationMs: nowMs - startedMs,
    connectMs: readyMs === 0 ? -1 : readyMs - startedMs,
    answerMs: answeredMs === 0 || readyMs === 0 ? -1 : answeredMs - readyMs,
    route: route.id,
    service: route.service.name,
    appId: route.entry.appId,
    server: backend?.key ?? '',
    serverName: forwarding.target?.name ?? '',
    task: backend?.task ?? '',
    retries: forwarding.retries,
    outcome,
  };
}
