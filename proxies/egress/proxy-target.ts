// What a request to the forward proxy asks for: its form, scheme and authority, checked before anybody is asked for a password.

import { parseDestination, type Destination, type FailureReason } from '../access/index.ts';
import type { RequestView } from '../http1/index.ts';

export interface ProxyTarget {
  readonly destination: Destination;
  readonly port: number;
  /** What the origin gets as Host; of our making, whatever the client sent. */
  readonly authority: string;
}

export interface TargetFailure {
  readonly failure: FailureReason;
}

/** Absolute-form `http:` and CONNECT alone; the other forms are the caller's. */
export function targetOf(request: RequestView): ProxyTarget | TargetFailure {
  const isConnect = request.form === 'authority';
  if (request.form !== 'absolute' && !isConnect) return { failure: 'malformed' };
  if (request.method === 'TRACE' || request.scheme === 'https') {
    return { failure: 'unsupported' };
  }
  // A body of CONNECT has no meaning, and would be taken for payload.
  if (isConnect && (request.chunked || request.contentLength > 0)) return { failure: 'malformed' };
  const destination = parseDestination(request.host.replace(/^\[(.*)\]$/, '$1'));
  if ('rejected' in destination) return { failure: 'malformed' };
  const port = request.port === 0 ? 80 : request.port;
  return { destination, port, authority: port === 80 ? request.host : `${request.host}:${port}` };
}
