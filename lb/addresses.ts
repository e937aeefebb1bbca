// Addresses of named VIPs: the reference's hash first, the next free address on a conflict. Names that come together are placed in the
// order of their hashes, so that the outcome depends on the set of names alone; a released address rests before another name gets it.

import { sameRecord, type Allocation, type ClusterEvent, type VipRejection } from '../src/cluster/index.ts';
import type { Clock } from '../src/runtime/index.ts';
import { readState, type AllocatorState } from './allocator-state.ts';
import { addressAt, isInRange, parseRange, type AddressRange } from './address-range.ts';
import { canonicalIp } from './ip-number.ts';
import { phash2, sha1Number } from './name-hash.ts';

export interface AddressAllocatorOptions {
  /** `first-last` or CIDR. The compiled default of dcos-net ends one earlier than DC/OS's range, which moves every address. */
  readonly range: string;
  readonly range6: string;
  readonly ipv6: boolean;
  readonly clock: Clock;
  /** How long a released address waits for its name to come back; default a day. */
  readonly quarantineMs?: number;
  /** What an earlier allocator's `dump` gave, as read back; what is no such thing is ignored. */
  readonly state?: unknown;
}

export interface AddressAllocator {
  /**
   * Gives each of `wanted` its address, takes it from all others, and returns what changed since the last call (at the first: all of
   * it). `taken` are addresses of explicit IP VIPs, which no name gets from now on. Costs the number of names.
   */
  assign(wanted: Iterable<string>, taken: Iterable<string>): ClusterEvent[];
  /**
   * Takes over what another allocator for the same names has written down (`dump`): its word holds. Names of ours whose address it gave
   * away get another one with the next `assign`.
   */
  adopt(state: unknown): void;
  /** To be kept over restarts whenever `assign` returned something. */
  dump(): AllocatorState;
  /** Names without an address because a range is used up; sorted. */
  readonly unplaced: readonly string[];
}

const dayMs = 24 * 3_600_000;

export function createAddressAllocator(options: AddressAllocatorOptions): AddressAllocator | VipRejection {
  const range4 = parseRange(options.range, 4);
  if ('rejected' in range4) return range4;
  const range6 = options.ipv6 ? parseRange(options.range6, 6) : null;
  if (range6 !== null && 'rejected' in range6) return range6;
  return new Allocator(range4, range6, options);
}

interface Released {
  readonly allocation: Allocation;
  readonly until: number;
}

class Allocator implements AddressAllocator {
  readonly #range4: AddressRange;
  readonly #range6: AddressRange | null;
  readonly #clock: Clock;
  readonly #quarantineMs: number;
  readonly #assigned: Map<string, Allocation>;
  /** In the order of release. */
  readonly #released: Map<string, Released>;
  readonly #told = new Map<string, Allocation>();

  constructor(range4: AddressRange, range6: AddressRange | null, options: AddressAllocatorOptions) {
    this.#range4 = range4;
    this.#range6 = range6;
    this.#clock = options.clock;
    this.#quarantineMs = options.quarantineMs ?? dayMs;
    const { assigned, released } = readState(options.state);
    this.#assigned = new Map(assigned.map(([name, held]) => [name, this.#withinRanges(held)]));
    this.#released = new Map(
      released.map(([name, held, until]) => [name, { allocation: this.#withinRanges(held), until }]),
    );
  }

  assign(wanted: Iterable<string>, taken: Iterable<string>): ClusterEvent[] {
    const names = new Set(wanted);
    this.#release(names);
    const homeless = this.#comeBack(names);
    if (homeless.length > 0) this.#place(homeless, new Set([...taken].map(canonicalIp)));
    return this.#tell();
  }

  adopt(state: unknown): void {
    const theirs = readState(state);
    const names = new Map(theirs.assigned.map(([name, held]) => [name, this.#withinRanges(held)]));
    const used4 = new Set([...names.values()].map(({ ip4 }) => ip4));
    const used6 = new Set([...names.values()].map(({ ip6 }) => ip6));
    for (const [name, { ip4, ip6 }] of this.#assigned) {
      const held = names.get(name);
      const own = { ip4: used4.has(ip4) ? null : ip4, ip6: used6.has(ip6) ? null : ip6 };
      this.#assigned.set(name, Object.freeze(held ?? own));
    }
    const until = this.#clock.now() + this.#quarantineMs;
    for (const [name, allocation] of names)
      if (!this.#assigned.has(name)) this.#released.set(name, { allocation, until });
    for (const [name, held, end] of theirs.released) {
      if (!this.#assigned.has(name) && !this.#released.has(name))
        this.#released.set(name, { allocation: this.#withinRanges(held), until: end });
    }
  }

  dump(): AllocatorState {
    return {
      assigned: [...this.#assigned].sort(byName),
      released: [...this.#released].map(([name, { allocation, until }]) => [name, allocation, until] as const),
    };
  }

  get unplaced(): readonly string[] {
    const lacks = (held: Allocation): boolean => held.ip4 === null || (this.#range6 !== null && held.ip6 === null);
    return [...this.#assigned].flatMap(([name, held]) => (lacks(held) ? [name] : [])).sort();
  }

  #release(wanted: ReadonlySet<string>): void {
    const now = this.#clock.now();
    for (const [name, { until }] of this.#released) if (until <= now) this.#released.delete(name);
    for (const [name, allocation] of this.#assigned) {
      if (wanted.has(name)) continue;
      this.#assigned.delete(name);
      this.#released.set(name, { allocation, until: now + this.#quarantineMs });
    }
  }

  /** Names that have no address of a family that they should have. */
  #comeBack(wanted: ReadonlySet<string>): string[] {
    const homeless: string[] = [];
    for (const name of wanted) {
      const held = this.#assigned.get(name) ?? this.#released.get(name)?.allocation ?? { ip4: null, ip6: null };
      this.#released.delete(name);
      this.#assigned.set(name, held);
      if (held.ip4 === null || (this.#range6 !== null && held.ip6 === null)) homeless.push(name);
    }
    return homeless;
  }

  #place(names: readonly string[], taken: ReadonlySet<string>): void {
    const placed4 = this.#placeIn(this.#range4, names, taken, 'ip4');
    const placed6 = this.#range6 === null ? null : this.#placeIn(this.#range6, names, taken, 'ip6');
    for (const name of names) {
      const held = this.#assigned.get(name);
      const ip4 = held?.ip4 ?? placed4.get(name) ?? null;
      const ip6 = held?.ip6 ?? placed6?.get(name) ?? null;
      this.#assigned.set(name, Object.freeze({ ip4, ip6 }));
    }
  }

  #placeIn(
    range: AddressRange,
    names: readonly string[],
    taken: ReadonlySet<string>,
    family: keyof Allocation,
  ): Map<string, string> {
    const used = new Set(taken);
    for (const held of this.#assigned.values()) if (held[family] !== null) used.add(held[family]);
    const resting = new Map<string, string>();
    for (const [name, { allocation }] of this.#released)
      if (allocation[family] !== null) resting.set(allocation[family], name);
    const placed = new Map<string, string>();
    for (const { name, offset } of inOrder(range, names)) {
      if (this.#assigned.get(name)?.[family] !== null) continue;
      const ip = firstFree(range, offset, used, resting) ?? longestResting(resting, used);
      if (ip === null) continue;
      this.#forget(resting.get(ip), family);
      resting.delete(ip);
      used.add(ip);
      placed.set(name, ip);
    }
    return placed;
  }

  /** A range without free addresses gives away one that rests. */
  #forget(name: string | undefined, family: keyof Allocation): void {
    const released = name === undefined ? undefined : this.#released.get(name);
    if (name === undefined || released === undefined) return;
    this.#released.set(name, { ...released, allocation: { ...released.allocation, [family]: null } });
  }

  #tell(): ClusterEvent[] {
    const events: ClusterEvent[] = [];
    for (const name of this.#told.keys()) {
      if (!this.#assigned.has(name)) events.push({ type: 'allocated', name, allocation: null });
    }
    for (const [name, allocation] of this.#assigned) {
      if (!sameRecord(this.#told.get(name), allocation)) events.push({ type: 'allocated', name, allocation });
    }
    for (const event of events) if (event.type === 'allocated') setOrDelete(this.#told, event.name, event.allocation);
    return events;
  }

  /** A configuration with other ranges moves the names that are outside of them. */
  #withinRanges({ ip4, ip6 }: Allocation): Allocation {
    return Object.freeze({
      ip4: ip4 !== null && isInRange(this.#range4, ip4) ? ip4 : null,
      ip6: ip6 !== null && this.#range6 !== null && isInRange(this.#range6, ip6) ? ip6 : null,
    });
  }
}

/** Names with their first candidates, in the order of these. */
function inOrder(range: AddressRange, names: readonly string[]): { readonly name: string; readonly offset: bigint }[] {
  const modulus = range.last - range.first;
  const hash = (name: string): bigint => (range.family === 4 ? BigInt(phash2(name)) : sha1Number(name));
  return names
    .map((name) => ({ name, offset: hash(name) % modulus }))
    .sort((a, b) => (a.offset < b.offset ? -1 : a.offset > b.offset ? 1 : a.name < b.name ? -1 : 1));
}

function firstFree(
  range: AddressRange,
  offset: bigint,
  used: ReadonlySet<string>,
  resting: ReadonlyMap<string, string>,
): string | null {
  const size = range.last - range.first + 1n;
  // There is a free one among the first this many, or none at all.
  const tries = BigInt(used.size + resting.size + 1);
  for (let i = 0n; i < (tries < size ? tries : size); i++) {
    const ip = addressAt(range, offset + i);
    if (!used.has(ip) && !resting.has(ip)) return ip;
  }
  return null;
}

function longestResting(resting: ReadonlyMap<string, string>, used: ReadonlySet<string>): string | null {
  for (const ip of resting.keys()) if (!used.has(ip)) return ip;
  return null;
}

function setOrDelete<V>(map: Map<string, V>, key: string, value: V | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}

const byName = (a: readonly [string, unknown], b: readonly [string, unknown]): number => (a[0] < b[0] ? -1 : 1);
