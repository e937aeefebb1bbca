// Plane of the table `owners`: answers for each connection whether an address is the cluster's, and which apps speak from it.

import type { Plane, TableLoad } from '../../src/ports/index.ts';
import type { OwnerRecord } from './owner-record.ts';
import type { ClusterKnowledge } from './rules.ts';

export interface Owners extends ClusterKnowledge {
  readonly plane: Plane<OwnerRecord>;
}

interface Owner {
  readonly apps: readonly string[];
  readonly ports: ReadonlySet<number> | null;
}

const nobody: readonly string[] = [];

export function createOwners(): Owners {
  let owners = new Map<string, Owner>();
  const load = (): TableLoad<OwnerRecord> => {
    const next = new Map<string, Owner>();
    const same = new Map<string, Owner>();
    return {
      take: (ip, record) => void next.set(ip, sharedOwner(same, record)),
      finish: () => void (owners = next),
    };
  };
  return {
    isCluster(ip, port) {
      const owner = owners.get(ip);
      return owner !== undefined && (owner.ports === null || owner.ports.has(port));
    },
    appsOf: (ip) => owners.get(ip)?.apps ?? nobody,
    plane: {
      name: 'owners',
      load,
      keys: () => owners.keys(),
      replace(table) {
        const all = load();
        for (const [ip, record] of table) all.take(ip, record);
        all.finish();
      },
      apply(change) {
        for (const ip of change.removed) owners.delete(ip);
        for (const [ip, record] of change.set) owners.set(ip, ownerOf(record));
      },
    },
  };
}

const ownerOf = ({ apps, ports }: OwnerRecord): Owner => ({ apps, ports: ports === null ? null : new Set(ports) });

/** The addresses of an app's tasks are owned alike. */
function sharedOwner(same: Map<string, Owner>, record: OwnerRecord): Owner {
  const said = JSON.stringify(record);
  const known = same.get(said);
  if (known !== undefined) return known;
  const owner = ownerOf(record);
  same.set(said, owner);
  return owner;
}
