// Who may use a route: by the client's address and by the host it asks for.

import { compileCidrs } from '../../src/runtime/index.ts';
import type { LocalAnswer } from '../http1/index.ts';
import type { AllowedNetworks } from './options-record.ts';
import { forwardedAddresses, type RequestFacts } from './request-facts.ts';
import { routerError } from './router-answers.ts';

export type Gate = (facts: RequestFacts) => LocalAnswer | null;

/** 403 for others. Networks that are none let nobody in: a list with a slip must not open the route. */
export function networkGate(rule: AllowedNetworks): Gate {
  const { matcher } = compileCidrs(rule.allowed);
  return (facts) => {
    const claimed = rule.useForwardedFor === true ? forwardedAddresses(facts.request) : [];
    const allowed = claimed.length > 0 ? claimed.some((address) => matcher.has(address)) : matcher.has(facts.client);
    return allowed ? null : refusal(403, facts);
  };
}

/** For listeners without HTTP. */
export function addressGate(rule: AllowedNetworks): (address: string) => boolean {
  const { matcher } = compileCidrs(rule.allowed);
  return (address) => matcher.has(address);
}

/** 500 for other hosts, as Traefik has it. `proxyHeaders` name fields that say the host; they count from trusted peers. */
export function hostGate(rule: { readonly hosts: readonly string[]; readonly proxyHeaders: readonly string[] }): Gate {
  const hosts = new Set(rule.hosts);
  const names = rule.proxyHeaders.map((name) => name.toLowerCase());
  return (facts) => {
    const { request, peer } = facts;
    const said = peer.trusted ? names.map((name) => request.fields.get(name)).find((value) => value !== null) : null;
    return hosts.has((said ?? request.host).toLowerCase()) ? null : refusal(500, facts);
  };
}

const refusal = (status: number, { requestId, request }: RequestFacts): LocalAnswer =>
  routerError(status, requestId, request.fields);
