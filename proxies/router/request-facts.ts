// What request policies read: the request, who sent it, and on which kind of listener. Made only for routes that have policies.

import type { CidrMatcher } from '../../src/runtime/index.ts';
import { fieldId, type Peer, type RequestView } from '../http1/index.ts';
import { clientAddress, trustedProto } from './forwarding-fields.ts';

/** `vhost`: the http and https listeners; `port`: a service port; `app`: the X-Marathon-App-Id listener. */
export type EntryPoint = 'vhost' | 'port' | 'app';

export interface RequestFacts {
  readonly request: RequestView;
  readonly peer: Peer;
  readonly entry: EntryPoint;
  readonly requestId: string;
  /** The client behind trusted proxies. */
  readonly client: string;
  /** Whether the client speaks TLS: to us, or to a trusted proxy that says so. */
  readonly secure: boolean;
}

export function factsOf(
  request: RequestView,
  peer: Peer,
  entry: EntryPoint,
  requestId: string,
  trusted: CidrMatcher,
): RequestFacts {
  return {
    request,
    peer,
    entry,
    requestId,
    client: clientAddress(request, peer, trusted),
    secure: (trustedProto(request, peer) ?? (peer.secure ? 'https' : 'http')) === 'https',
  };
}

/** The authority without its port; IPv6 literals keep their brackets. */
export const hostOf = (authority: string): string => authority.replace(/:\d*$/, '');

/** Path and query of a target. */
export function splitTarget(target: string): readonly [path: string, query: string] {
  const at = target.indexOf('?');
  return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at)];
}

/** Addresses of all X-Forwarded-For fields, in their order. */
export function forwardedAddresses({ fields }: RequestView): readonly string[] {
  const addresses: string[] = [];
  for (let i = fields.indexOf(fieldId.xForwardedFor); i >= 0; i = fields.indexOf(fieldId.xForwardedFor, i + 1)) {
    for (const item of fields.value(i).split(',')) if (item.trim() !== '') addresses.push(item.trim());
  }
  return addresses;
}
