// A name of our zones as a worker holds it: small, since a cluster of 50,000 tasks has half a million, most of which nobody asks.

import type { NameStore } from './name-store.ts';
import type { DenialSoa } from './reply.ts';
import type { Template } from './template.ts';
import { nameOfKey, rrType } from './wire/index.ts';
import { recordOf, typesOf, type RecordText, type ZoneRecord, type ZoneRr } from './zone/index.ts';

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
    return this.hasRecord ? recordOf(nameOfKey(this.key), this.text) : null;
  }

  /** Whether there are records of `type`, a number; 255 asks for any. */
  has(type: number): boolean {
    return (this.#store.typesOf(this.#id) & bitOf(type)) !== 0;
  }
}

/** Bits of the types of records, as `has` looks for them. */
export function typesIn(text: RecordText): number {
  let types = 0;
  for (const type of typesOf(text)) types |= bitOf(rrType[type]);
  return types;
}

const heldTypes: readonly number[] = ['A', 'AAAA', 'NS', 'CNAME', 'PTR', 'SRV', 'TXT', 'SOA'].map(
  (name) => rrType[name as ZoneRr['type']],
);
const bits = Uint8Array.from({ length: 256 }, (_, type) =>
  type === rrType.ANY ? 0xff : heldTypes.includes(type) ? 1 << heldTypes.indexOf(type) : 0,
);
export const bitOf = (type: number): number => bits[type] ?? 0;
