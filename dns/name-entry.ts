// A name of our zones as a worker holds it: small, since a cluster of 50,000 tasks has half a million, most of which nobody asks.

import type { NameStore } from './name-store.ts';
import type { DenialSoa } from './reply.ts';
import type { Template } from './template.ts';
import { nameOfKey, rrType } from './wire/index.ts';
import type { ZoneRecord, ZoneRr } from './zone/index.ts';

export interface OwnZone {
  /** Apex as key. */
  readonly apex: string;
  /** Mesos-DNS's zone says RA, dcos-net's do not (specs/dns.md §4.2, §6.7). */
  readonly isMesos: boolean;
  /** Only names with records are ours: others below the apex are somebody else's (reverse zones). */
  readonly isSparse: boolean;
  /** Of its SOA; 0 until the apex is in the table. */
  serial: number;
  /** Null until the apex is in the table. */
  denialSoa: DenialSoa | null;
}

/** Its records are kept as text, a quarter of what they take as objects, and read when an answer is compiled from them. */
export class NameEntry {
  readonly zone: OwnZone;
  /** Compiled from the records as they are, each leading to the next; few types are ever asked of a name. */
  template: Template | null = null;
  readonly #store: NameStore;
  readonly #id: number;
  #key: string | null = null;

  /** `id`: its number in `store`. */
  constructor(store: NameStore, id: number) {
    this.zone = store.zoneOf(id);
    this.#store = store;
    this.#id = id;
  }

  get key(): string {
    return (this.#key ??= this.#store.keyOf(this.#id));
  }

  /** False for a name that only has names below it. */
  get hasRecord(): boolean {
    return this.#store.hasText(this.#id);
  }

  /** The records as text: equal for equal records, '' without any. */
  get text(): string {
    return this.#store.textOf(this.#id);
  }

  /** Made anew each time; null for a name that only has names below it. */
  get record(): ZoneRecord | null {
    return this.hasRecord ? recordIn(this.key, this.text) : null;
  }

  /** Whether there are records of `type`, a number; 255 asks for any. */
  has(type: number): boolean {
    return (this.#store.typesOf(this.#id) & bitOf(type)) !== 0;
  }
}

/** The record whose text an entry of `key` had. */
export const recordIn = (key: string, text: string): ZoneRecord => ({
  name: nameOfKey(key),
  rrs: text.split('\n').map(rrOf),
});

/** Bits of the types of records, as `has` looks for them. */
export function typesOf(rrs: readonly ZoneRr[]): number {
  let types = 0;
  for (const { type } of rrs) types |= bitOf(rrType[type]);
  return types;
}

/** Each record on a line, its fields in the order of a zone file; what that cannot say is JSON. Joined, since a sum of texts is kept as such. */
export const textOf = (rrs: readonly ZoneRr[]): string => rrs.map(lineOf).join('\n');

function lineOf(rr: ZoneRr): string {
  switch (rr.type) {
    case 'A':
    case 'AAAA':
      return [rr.type, rr.ttl, rr.address].join(' ');
    case 'SRV':
      if (/\s/.test(rr.target)) return JSON.stringify(rr);
      return [rr.type, rr.ttl, rr.priority, rr.weight, rr.port, rr.target].join(' ');
    case 'PTR':
      if (/\s/.test(rr.target)) return JSON.stringify(rr);
      return [rr.type, rr.ttl, rr.target].join(' ');
    default:
      return JSON.stringify(rr);
  }
}

function rrOf(line: string): ZoneRr {
  if (line.startsWith('{')) return JSON.parse(line) as ZoneRr;
  const [type, ttlText, ...fields] = line.split(' ');
  const ttl = Number(ttlText);
  const last = fields.at(-1) ?? '';
  if (type === 'SRV') {
    const [priority = 0, weight = 0, port = 0] = fields.map(Number);
    return { type, ttl, priority, weight, port, target: last };
  }
  return type === 'PTR' ? { type, ttl, target: last } : { type: type === 'A' ? 'A' : 'AAAA', ttl, address: last };
}

const heldTypes: readonly number[] = ['A', 'AAAA', 'NS', 'CNAME', 'PTR', 'SRV', 'TXT', 'SOA'].map(
  (name) => rrType[name as ZoneRr['type']],
);
const bits = Uint8Array.from({ length: 256 }, (_, type) =>
  type === rrType.ANY ? 0xff : heldTypes.includes(type) ? 1 << heldTypes.indexOf(type) : 0,
);
const bitOf = (type: number): number => bits[type] ?? 0;
