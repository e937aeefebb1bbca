// Host patterns of routes: exact, `*.x`, `~expression`, `*`. Parsed once, at the moment a label or the configuration says them.

import { domainToASCII } from 'node:url';
import { parseAuthority } from '../http1/index.ts';
import { safeRegex } from './labels/safe-regex.ts';

export type HostKind = 'exact' | 'wildcard' | 'regex' | 'any';

export interface HostRejection {
  readonly rejected: string;
  readonly hint: string;
}

export const hostKind = (host: string): HostKind => {
  if (host === '*') return 'any';
  if (host.startsWith('*.')) return 'wildcard';
  return host.startsWith('~') ? 'regex' : 'exact';
};

const regexLength = 256;

/** One item of a VHOST label in canonical form: lower case, A-labels, no trailing dot. */
export function parseHostPattern(text: string): string | HostRejection {
  const item = text.trim();
  if (item.startsWith('~')) return parseRegex(item.slice(1).trim());
  if (item === '*') return '*';
  const wildcard = item.startsWith('*.');
  const name = wildcard ? item.slice(2) : item;
  if (/:\d*$/.test(name) && !name.endsWith(']'))
    return { rejected: `"${item}" names a port`, hint: 'the name alone; the port of a request plays no part' };
  const authority = name.includes('*') || name.includes('/') ? null : parseAuthority(domainToASCII(name.toLowerCase()));
  if (authority === null)
    return { rejected: `"${item}" is no host name`, hint: 'a name such as shop.example, or *.shop.example' };
  return wildcard ? `*.${authority.host}` : authority.host;
}

/** Anchored at both ends, compared with the lower-case host. */
export const hostRegex = (host: string): RegExp => new RegExp(`^(?:${host.slice(1)})$`, 'i');

function parseRegex(source: string): string | HostRejection {
  if (source === '' || source.length > regexLength)
    return {
      rejected: 'has an expression that is empty or too long',
      hint: `up to ${regexLength} characters behind ~`,
    };
  const regex = safeRegex(source);
  return regex === null
    ? {
        rejected: `"~${source}" is no expression that can be used`,
        hint: 'one in JavaScript syntax behind ~, without nested repetition, which could run for minutes',
      }
    : `~${regex}`;
}

/** Whether `pattern` covers the canonical `host`. */
export function hostMatches(pattern: string, host: string): boolean {
  switch (hostKind(pattern)) {
    case 'any':
      return true;
    case 'wildcard':
      return host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1;
    case 'regex':
      return host !== '' && hostRegex(pattern).test(host);
    default:
      return host === pattern;
  }
}

/** Whether all that `inner` covers is covered by `outer`; for the rules of who may claim what. */
export function hostCovers(outer: string, inner: string): boolean {
  if (outer === '*' || outer === inner) return true;
  if (hostKind(outer) !== 'wildcard') return false;
  const kind = hostKind(inner);
  return (kind === 'exact' || kind === 'wildcard') && inner.endsWith(outer.slice(1)) && inner.length > outer.length;
}
