// What policies that hash read of a request.

import { hashOfRequest, type HashKey } from '../../lb/index.ts';
import type { CidrMatcher } from '../../src/runtime/index.ts';
import type { Exchange } from '../http1/index.ts';
import { clientAddress } from './forwarding-fields.ts';
import { cookieIn } from './sticky-cookie.ts';

/** 32 bits; null where the request lacks what is asked for. */
export function hashOfExchange(key: HashKey, { request, peer }: Exchange, trusted: CidrMatcher): number | null {
  return hashOfRequest(key, {
    clientAddress: () => clientAddress(request, peer, trusted),
    target: () => request.forwardTarget,
    field: (name) => request.fields.get(name),
    cookie: (name) => cookieIn(request.fields.get('cookie') ?? '', name),
  });
}
