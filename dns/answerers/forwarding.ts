// Answerers that pass questions on: by suffix (forward zones, the longest match wins) and for everything else.

import type { CidrMatcher } from '../../src/runtime/index.ts';
import type { Answerer } from '../chain.ts';
import type { Reply } from '../forwarding/answer-cache.ts';
import { relay } from '../forwarding/relay.ts';
import type { Forwarder } from '../forwarding/forwarder.ts';
import type { Upstream } from '../forwarding/upstreams.ts';
import { extendedError } from '../edns-options.ts';
import { flag, refused, servFail } from '../reply.ts';
import { parentKey, rcode, type Query } from '../wire/index.ts';

export interface ForwardingOptions {
  readonly forwarder: Forwarder;
  /** Clients that may have names of others looked up. */
  readonly recursionFrom: CidrMatcher;
  /** RA, which Mesos-DNS calls `recurseOn`: a mere flag. */
  readonly recursionAvailable?: boolean;
}

/** Asks `upstreams` for whatever comes; REFUSED where there are none or the client may not. */
export function createForwarding(options: ForwardingOptions, upstreams: readonly Upstream[]): Answerer {
  return { name: 'forwarder', answer: (query, limit, client) => pass(options, upstreams, query, limit, client) };
}

/** Asks the upstreams of the longest suffix (as key) that holds the name; null where none does. */
export function createForwardZones(
  options: ForwardingOptions,
  zones: ReadonlyMap<string, readonly Upstream[]>,
): Answerer {
  return {
    name: 'forward zones',
    answer(query, limit, client) {
      const upstreams = upstreamsOf(zones, query.key);
      return upstreams === undefined ? null : pass(options, upstreams, query, limit, client);
    },
  };
}

/** Upstreams of the longest suffix; undefined if no forward zone holds the name. */
export function upstreamsOf(
  zones: ReadonlyMap<string, readonly Upstream[]>,
  key: string,
): readonly Upstream[] | undefined {
  if (zones.size === 0) return undefined;
  for (let rest = key; rest !== ''; rest = parentKey(rest)) {
    const upstreams = zones.get(rest);
    if (upstreams !== undefined) return upstreams;
  }
  return undefined;
}

function pass(
  { forwarder, recursionFrom, recursionAvailable = true }: ForwardingOptions,
  upstreams: readonly Upstream[],
  query: Query,
  limit: number,
  client: string,
): Buffer | Promise<Buffer> {
  if (upstreams.length === 0 || !recursionFrom.has(client)) {
    query.extendedError = upstreams.length === 0 ? extendedError.notAuthoritative : extendedError.prohibited;
    return refused(query, 0);
  }
  const question = {
    key: query.key,
    type: query.type,
    class: query.class,
    checkingDisabled: (query.flags & 0x0010) !== 0,
    dnssecOk: query.dnssecOk,
  };
  const ra = recursionAvailable ? flag.recursionAvailable : 0;
  return forwarder.ask(question, upstreams).then((outcome) => {
    if (!('failure' in outcome) && outcome.layout.questionEnd === query.questionEnd) {
      if (outcome.isStale === true) query.extendedError = staleError(outcome);
      return relay(outcome, query, limit, ra);
    }
    const isSilent = 'failure' in outcome && outcome.failure === 'timeout';
    query.extendedError = isSilent ? extendedError.noReachableAuthority : extendedError.networkError;
    return servFail(query, ra);
  });
}

const staleError = ({ bytes }: Reply): number =>
  ((bytes[3] as number) & 15) === rcode.nxDomain ? extendedError.staleNxDomain : extendedError.staleAnswer;
