// A name of our zones as a worker holds it: small, since a cluster of 50,000 tasks has half a million, most of which nobody asks.

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
  readonly key: string;
  readonly zone: OwnZone;
  /** Names directly below. */
  children = 0;
  /** Compiled from the records as they are, each leading to the next; few types are ever asked of a name. */
  template: Template | null = null;
  #types = 0;
  #text = '';

  constructor(key: string, zone: OwnZone) {
    this.key = key;
    this.zone = zone;
  }

  /** False for a name that only has names below it. */
  get hasRecord(): boolean {
    return this.#text !== '';
  }

  /** The records as text: equal for equal records, '' without any. */
  get text(): string {
    return this.#text;
  }

  /** Made anew each time; null for a name that only has names below it. */
  get record(): ZoneRecord | null {
    return this.#text === '' ? null : recordIn(this.key, this.#text);
  }

  /** Whether there are records of `type`, a number; 255 asks for any. */
  has(type: number): boolean {
    return (this.#types & bitOf(type)) !== 0;
  }

  /** Takes other records; null: none. What was compiled from the former ones is dropped. */
  hold(record: ZoneRecord | null): void {
    this.template = null;
    this.#text = record === null ? '' : JSON.stringify(record.rrs);
    this.#types = 0;
    for (const { type } of record?.rrs ?? []) this.#types |= bitOf(rrType[type]);
  }
}

/** The record whose text an entry of `key` had. */
export const recordIn = (key: string, text: string): ZoneRecord => ({
  name: nameOfKey(key),
  rrs: JSON.parse(text) as readonly ZoneRr[],
});

const heldTypes: readonly number[] = ['A', 'AAAA', 'NS', 'CNAME', 'PTR', 'SRV', 'TXT', 'SOA'].map(
  (name) => rrType[name as ZoneRr['type']],
);
const bits = Uint8Array.from({ length: 256 }, (_, type) =>
  type === rrType.ANY ? 0xff : heldTypes.includes(type) ? 1 << heldTypes.indexOf(type) : 0,
);
const bitOf = (type: number): number => bits[type] ?? 0;
