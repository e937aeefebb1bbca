// Words for policies, as labels have them: HAProxy's (specs/l7.md §1.6) and our own.

import type { Balance, HashKey } from './balance.ts';
import { policyNames, type PolicyName } from './policies.ts';

export interface NamedBalance extends Balance {
  readonly policy: PolicyName;
}

export interface BalanceRejection {
  readonly rejected: string;
  readonly hint: string;
}

const aliases: Readonly<Record<string, PolicyName>> = {
  'static-rr': 'roundrobin',
  'round-robin': 'roundrobin',
  'least-connections': 'leastconn',
  ewma: 'two-choices',
  p2c: 'two-choices',
  'prefer-local': 'local',
};

/**
 * `roundrobin`, `leastconn`, `random(3)`, `source`, `uri depth 2`, `hdr(x-user)`, `url_param session`; `maglev`, `two-choices`, `local`,
 * `hash cookie sid`. HAProxy's own mapping of a hash to a server is not reproduced, only what it is made of.
 */
export function parseBalance(text: string): NamedBalance | BalanceRejection {
  const [word = '', ...rest] = text.trim().split(/\s+/);
  const [, name = '', argument] = /^([^()]*)(?:\((.*)\))?$/.exec(word.toLowerCase()) ?? [];
  switch (name) {
    case 'random':
      return parseDraws(argument);
    case 'source':
      return { policy: 'hash', key: { by: 'client' } };
    case 'uri':
      return parseUri(rest);
    case 'url_param':
      return keyed('query', rest[0], 'url_param session');
    case 'hdr':
      return keyed('header', argument?.trim(), 'hdr(x-user)');
    case 'hash':
      return parseHash(rest);
    default:
      return named(name, rest);
  }
}

function named(name: string, rest: readonly string[]): NamedBalance | BalanceRejection {
  const policy = policyNames.find((one) => one === name) ?? aliases[name];
  if (policy === undefined || rest.length > 0)
    return no(
      `"${[name, ...rest].join(' ')}" is no policy`,
      `one of ${policyNames.join(', ')}, source, uri, hdr(NAME)`,
    );
  return { policy };
}

function parseDraws(argument: string | undefined): NamedBalance | BalanceRejection {
  if (argument === undefined) return { policy: 'random' };
  return /^[1-8]$/.test(argument)
    ? { policy: 'random', draws: Number(argument) }
    : no(`"${argument}" is no number of draws`, 'random, or random(1) to random(8)');
}

function parseHash(words: readonly string[]): NamedBalance | BalanceRejection {
  const [by, name, ...rest] = words;
  if (by === undefined || by === 'client') return { policy: 'hash', key: { by: 'client' } };
  if (by === 'uri') return parseUri(words.slice(1));
  if ((by !== 'header' && by !== 'cookie' && by !== 'query') || rest.length > 0)
    return no(
      `"${by}" is nothing to hash by`,
      'hash client, hash uri, hash header NAME, hash cookie NAME or hash query NAME',
    );
  return keyed(by, name, `hash ${by} NAME`);
}

function keyed(
  by: 'query' | 'header' | 'cookie',
  name: string | undefined,
  example: string,
): NamedBalance | BalanceRejection {
  if (name === undefined || name === '') return no('does not say by which', `write ${example}`);
  return { policy: 'hash', key: { by, name: by === 'header' ? name.toLowerCase() : name } };
}

function parseUri(words: readonly string[]): NamedBalance | BalanceRejection {
  let key: HashKey = { by: 'uri' };
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === 'whole') {
      key = { ...key, whole: true };
      continue;
    }
    const number = Number(words[++i]);
    if ((word !== 'len' && word !== 'depth') || !Number.isInteger(number) || number < 1)
      return no(`"${word ?? ''}" is not understood after uri`, 'uri, with len N, depth N or whole');
    key = word === 'len' ? { ...key, length: number } : { ...key, depth: number };
  }
  return { policy: 'hash', key };
}

const no = (rejected: string, hint: string): BalanceRejection => ({ rejected, hint });
