// What clients reach by themselves and what by the proxy, from zones, networks and rules: decided here once, written in every dialect.

import type { RuleConfig } from '../access/index.ts';
import { parseRange4, subtract4, type Range4 } from './ranges4.ts';

export interface ClientRouting {
  /** Suffixes without a dot in front: the name itself and all below it are reached directly. */
  readonly zones: readonly string[];
  /** Single names that are reached directly. */
  readonly names: readonly string[];
  /** Addresses that are reached directly. */
  readonly ranges: readonly Range4[];
  /** Names without a dot that go by the proxy all the same, because a rule spells them out. */
  readonly proxied: readonly string[];
}

export interface DirectPlaces {
  /** Zones of the cluster. */
  readonly zones: readonly string[];
  /** Names, `*.domain`, networks and `first-last` ranges that clients reach by themselves, besides. */
  readonly direct: readonly string[];
}

const loopback = ['127.0.0.0/8'];
/** Private and link-local networks: a client is nearer to them than the proxy, unless a rule names them. */
const nearby = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16'];

/**
 * A rule that allows a network by name has been written for clients that cannot reach it, so it is taken out of what is reached directly.
 * What `direct` lists stays, and so do loopback and zones.
 */
export function clientRouting({ zones, direct }: DirectPlaces, rules: readonly RuleConfig[]): ClientRouting {
  const allowed = rules.flatMap(({ allow }) => allow?.to ?? []);
  const named = ranges(allowed);
  const always = ranges([...loopback, ...direct]);
  const names = direct
    .map((place) => place.toLowerCase())
    .filter((place) => parseRange4(place) === null && !place.includes('/'));
  return {
    zones: [...new Set([...zones, ...names.filter((name) => name.startsWith('*.')).map((name) => name.slice(2))])],
    names: names.filter((name) => !name.startsWith('*.') && !name.includes(':')),
    ranges: subtract4([...always, ...subtract4(ranges(nearby), named)], []),
    proxied: allowed.filter((place) => /^[a-z0-9_-]+$/i.test(place) && place !== 'cluster' && place !== 'external'),
  };
}

const ranges = (places: readonly string[]): readonly Range4[] =>
  places.map(parseRange4).filter((range) => range !== null);
