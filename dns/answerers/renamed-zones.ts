// Answers names in other spellings of our zones, with the spelling that was asked in owners and targets.

import type { Random } from '../../src/runtime/index.ts';
import type { Answerer } from '../chain.ts';
import { extendedError } from '../edns-options.ts';
import { denial, flag, refused, servFail } from '../reply.ts';
import { heldKey, renamedRr, renamingOf, type Renaming } from '../renaming.ts';
import { compileTemplate, shuffleAddresses, writeTemplate, type TargetRecords } from '../template.ts';
import { keyOfName, rcode, rrType, rrTypeNumber, type Query } from '../wire/index.ts';
import type { NameEntry } from '../name-entry.ts';
import type { ZoneIndex } from '../zone-plane.ts';
import type { ZoneRr } from '../zone/index.ts';
import { dcosZones } from '../zones.ts';

export interface RenamedZonesOptions {
  readonly index: ZoneIndex;
  readonly renamings: readonly Renaming[];
  readonly turn: (answers: number) => number;
  /** Where given, addresses are put in a random order (specs/dns.md §4.3). */
  readonly shuffle?: Random | null;
  /** False: a name that only has names below it is not there, as dcos-net has it. Default true. */
  readonly strict?: boolean;
  /** As the own zone's `recursionElsewhere`. */
  readonly recursionAvailable?: boolean;
}

const dcosKey = keyOfName(dcosZones.dcos) ?? '';

export function createRenamedZones(options: RenamedZonesOptions): Answerer {
  const { index, renamings, strict = true, recursionAvailable = false } = options;
  const available = recursionAvailable ? flag.recursionAvailable : 0;
  return {
    name: 'renamed zones',
    answer(query, limit) {
      const renaming = renamingOf(renamings, query.key);
      if (renaming === undefined) return null;
      const key = heldKey(renaming, query.key);
      const zone = index.zoneOf(key);
      if (zone === undefined) return refused(query, available);
      const soa = renaming.isCopy ? index.zoneOf(dcosKey)?.denialSoa : zone.denialSoa;
      if (!index.isReady || soa === null || soa === undefined) {
        query.extendedError = extendedError.notReady;
        return servFail(query, available);
      }
      const entry = index.find(key);
      const rrs = answersOf(index, entry, renaming, query.type);
      if (rrs.length === 0) {
        const apexOctets = renaming.fromKey.length + zone.apex.length - renaming.toKey.length;
        const isMissing = entry === undefined || (!strict && !entry.hasRecord);
        const code = isMissing ? rcode.nxDomain : rcode.noError;
        return denial(query, code, flag.authoritative | available, { ...soa, apexOctets: Math.max(apexOctets, 1) });
      }
      return write(options, renaming, query, limit, rrs, flag.authoritative | available);
    },
  };
}

/** Compiled for each query: these spellings are kept for compatibility, and few ask for them. */
function write(
  { index, turn, shuffle = null }: RenamedZonesOptions,
  renaming: Renaming,
  query: Query,
  limit: number,
  rrs: readonly ZoneRr[],
  flags: number,
): Buffer {
  const targetOf = (name: string): TargetRecords => {
    const key = keyOfName(name);
    const held = key !== null && name.endsWith(`.${renaming.from}`) ? heldKey(renaming, key) : key;
    const entry = held === null ? undefined : index.find(held);
    return { text: entry?.text, rrs: (entry?.record?.rrs ?? []).map((rr) => renamedRr(rr, renaming)) };
  };
  const template = compileTemplate(query.type, rrs, query.questionEnd, index.serial, targetOf);
  const reply = writeTemplate(template, query, limit, turn(rrs.length), flags);
  if (shuffle !== null) shuffleAddresses(template, reply, shuffle);
  return reply;
}

function answersOf(
  index: ZoneIndex,
  entry: NameEntry | undefined,
  renaming: Renaming,
  type: number,
): readonly ZoneRr[] {
  const isCopiedApex = renaming.isCopy && entry?.key === renaming.toKey;
  const record = isCopiedApex ? index.find(dcosKey)?.record : entry?.record;
  const rrs = (record?.rrs ?? []).filter((rr) => type === rrType.ANY || rrTypeNumber(rr.type) === type);
  return rrs.map((rr) => renamedRr(rr, renaming));
}
