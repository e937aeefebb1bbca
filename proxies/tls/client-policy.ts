// Which hosts ask for client certificates, and of which authority. Hosts with the same demands share one policy, and connections of one
// policy cannot resume sessions of another (specs/l7.md §4.3).

import { createHash } from 'node:crypto';
import { comparableName } from '../../certs/index.ts';

export interface ClientAuthRule {
  /** Names and `*.name`s (one label or more in front). */
  readonly hosts: readonly string[];
  /** PEM of those who sign client certificates. */
  readonly ca: string;
  readonly mode: 'optional' | 'required';
}

export interface ClientPolicy {
  /** Tells sessions of one policy from those of all others: at most 32 characters. */
  readonly id: string;
  readonly mode: 'none' | 'optional' | 'required';
  readonly ca: string | null;
}

export interface ClientPolicies {
  /** For a server name or a Host; null, an address or nonsense: the one without certificates. */
  of(host: string | null): ClientPolicy;
}

/** An exact host counts before a wildcard, a longer wildcard before a shorter one, then the order of the rules. */
export function createClientPolicies(rules: readonly ClientAuthRule[]): ClientPolicies {
  const open = policyOf('none', null);
  const byId = new Map([[open.id, open]]);
  const exact = new Map<string, ClientPolicy>();
  const wild = new Map<string, ClientPolicy>();
  let any: ClientPolicy | null = null;
  for (const { hosts, ca, mode } of rules) {
    const made = policyOf(mode, ca);
    const policy = byId.get(made.id) ?? made;
    byId.set(policy.id, policy);
    for (const host of hosts.map((name) => name.toLowerCase())) {
      if (host === '*') any ??= policy;
      else if (host.startsWith('*.')) setOnce(wild, host.slice(2), policy);
      else setOnce(exact, host, policy);
    }
  }
  const rest = any ?? open;
  const isPlain = rules.length === 0;
  return {
    of(host) {
      if (isPlain) return open;
      const name = comparableName(host);
      if (name === null) return rest;
      const found = exact.get(name);
      if (found !== undefined) return found;
      for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
        const above = wild.get(name.slice(dot + 1));
        if (above !== undefined) return above;
      }
      return rest;
    },
  };
}

function setOnce(map: Map<string, ClientPolicy>, name: string, policy: ClientPolicy): void {
  if (!map.has(name)) map.set(name, policy);
}

function policyOf(mode: ClientPolicy['mode'], ca: string | null): ClientPolicy {
  const print = createHash('sha256')
    .update(`isthmus ${mode}\0${ca ?? ''}`)
    .digest('base64url');
  return { id: print.slice(0, 32), mode, ca };
}
