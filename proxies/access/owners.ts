// Plane of the table `owners`: answers for each connection whether an address is the cluster's, and which apps speak from it.

import type { Plane } from '../../src/ports/index.ts';
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
  return {
    isCluster(ip, port) {
      const owner = owners.get(ip);
      return owner !== undefined && (owner.ports === null || owner.ports.has(port));
    },
    appsOf: (ip) => owners.get(ip)?.apps ?? nobody,
    plane: {
      name: 'owners',
      replace(table) {
        owners = new Map([...table].map(([ip, record]) => [ip, ownerOf(record)]));
      },
      apply(change) {
        for (const ip of change.removed) owners.delete(ip);
        for (const [ip, record] of change.set) owners.set(ip, ownerOf(record));
      },
    },
  };
}

const ownerOf = ({ apps, ports }: OwnerRecord): Owner => ({ apps, ports: ports === null ? null : new Set(ports) });
