// Which certificates are wanted: for hosts that a route serves, that the configuration allows, and that no other certificate is for.

import { comparableName, coversName } from '../certificate-names.ts';

export interface WantedOptions {
  /** Of routes, lower case, `*.name` among them. */
  readonly hosts: readonly string[];
  /** `routed`: every one of them; else names, and `*.name` for whatever stands one label before it. */
  readonly domains: 'routed' | readonly string[];
  /** By dns-01 alone may a certificate have a star (RFC 8555 §7.1.3 leaves it to authorities; all ask for it). */
  readonly mayWildcard: boolean;
  readonly keyType: 'ecdsa' | 'rsa';
  /** Whether somebody else's certificate is for the host. */
  readonly isCovered: (host: string) => boolean;
}

export interface WantedCertificate {
  /** Fit for a key of the store. */
  readonly id: string;
  readonly name: string;
}

export interface Wanted {
  readonly certificates: readonly WantedCertificate[];
  /** Hosts that are asked for and cannot be had. */
  readonly impossible: readonly string[];
}

/** One certificate a host, so that one that cannot be had costs its neighbours nothing; a star stands for all that it covers. */
export function wantedCertificates(options: WantedOptions): Wanted {
  const { hosts, domains, mayWildcard, keyType, isCovered } = options;
  const asked = hosts.filter((host) => isName(host) && isAllowed(host, domains) && !isCovered(host));
  const stars = new Set(asked.filter((host) => host.startsWith('*.')));
  if (mayWildcard && domains !== 'routed') {
    for (const star of domains)
      if (star.startsWith('*.') && asked.some((host) => coversName([star], host))) stars.add(star);
  }
  const possible = mayWildcard ? [...stars] : [];
  const plain = asked.filter((host) => !host.startsWith('*.') && !coversName(possible, host));
  return {
    certificates: [...possible, ...plain].sort().map((name) => ({ id: idOf(name, keyType), name })),
    impossible: mayWildcard ? [] : [...stars].sort(),
  };
}

const isName = (host: string): boolean => comparableName(host.replace(/^\*\./, '')) !== null;

/** Whether the configuration lets a name be asked for. */
export const isAllowed = (host: string, domains: WantedOptions['domains']): boolean =>
  domains === 'routed' || domains.includes(host) || (!host.startsWith('*.') && coversName(domains, host));

/** The name that a certificate of that id is for. */
export const nameOf = (id: string): string => id.replace(/^_wildcard/, '*').replace(/\.\.rsa$/, '');

const idOf = (name: string, keyType: WantedOptions['keyType']): string =>
  // Two dots: no name has them.
  `${name.replace(/^\*/, '_wildcard')}${keyType === 'rsa' ? '..rsa' : ''}`;
