// Other spellings of our zones (specs/dns.md §6.3, §6.6): old suffixes, the cluster's name as others see it, and the copy of Mesos-DNS's
// zone that dcos-net keeps. Looked up under the real name, answered under the one asked.

import { isWithin, keyOfName } from './wire/index.ts';
import type { ZoneRr } from './zone/index.ts';
import { dcosZones, mesosZone } from './zones.ts';

export interface Renaming {
  /** Suffix as asked and as held: names with their trailing dot, and the same as keys. */
  readonly from: string;
  readonly to: string;
  readonly fromKey: string;
  readonly toKey: string;
  /** The copy of Mesos-DNS's zone has dcos-net's TTL, and 1 as priority and weight (§6.3). */
  readonly isCopy: boolean;
}

/** The spellings, the most specific first. `clusterId`: the name of the cluster below `dcos.directory`; '' if it has none. */
export function createRenamings(domain: string, clusterId: string): readonly Renaming[] {
  const roots = ['thisdcos.global.', ...(clusterId === '' ? [] : [`${clusterId.toLowerCase()}.dcos.directory.`])];
  const suffixes: (readonly [from: string, to: string])[] = [];
  for (const root of ['thisdcos.directory.', ...roots]) {
    suffixes.push([`dclb.${root}`, dcosZones.l4lb], [`mesos.${root}`, mesosZone(domain)]);
  }
  for (const root of roots) suffixes.push([root, 'thisdcos.directory.']);
  return suffixes.flatMap(([from, to]) => {
    const [fromKey, toKey] = [keyOfName(from), keyOfName(to)];
    return fromKey === null || toKey === null ? [] : [{ from, to, fromKey, toKey, isCopy: to === mesosZone(domain) }];
  });
}

/** The spelling that `key` uses; undefined for a name as it is held, or of others. */
export function renamingOf(renamings: readonly Renaming[], key: string): Renaming | undefined {
  return renamings.find(({ fromKey }) => isWithin(key, fromKey));
}

/** The key under which the name is held. */
export const heldKey = ({ fromKey, toKey }: Renaming, key: string): string => key.slice(0, -fromKey.length) + toKey;

/** A record as it is shown under the other spelling: targets renamed, and in the copy TTL, priority and weight of dcos-net's. */
export function renamedRr(rr: ZoneRr, { from, to, isCopy }: Renaming): ZoneRr {
  const target = 'target' in rr && rr.target.endsWith(`.${to}`) ? rr.target.slice(0, -to.length) + from : null;
  const moved = target === null ? rr : ({ ...rr, target } as ZoneRr);
  if (!isCopy || moved.type === 'SOA' || moved.type === 'NS') return moved;
  return moved.type === 'SRV' ? { ...moved, ttl: 5, priority: 1, weight: 1 } : { ...moved, ttl: 5 };
}

/** dcos-net's copy of Mesos-DNS's zone among the spellings. */
export const copyOf = (domain: string): Renaming | undefined =>
  createRenamings(domain, '').find(({ isCopy, from }) => isCopy && from === 'mesos.thisdcos.directory.');
