// Answers from the zones of our own, from memory: data, NODATA, NXDOMAIN, and SERVFAIL while no zone is known yet.

import type { Random } from '../../src/runtime/index.ts';
import type { Answerer } from '../chain.ts';
import { extendedError } from '../edns-options.ts';
import type { Renaming } from '../renaming.ts';
import { denial, flag, refused, servFail } from '../reply.ts';
import { shuffleAddresses, writeTemplate } from '../template.ts';
import { asksForStar, keyOfName, rcode, rrType, type Query } from '../wire/index.ts';
import { dcosZones } from '../zones.ts';
import type { NameEntry, OwnZone } from '../name-entry.ts';
import type { ZoneIndex } from '../zone-plane.ts';
import { aliasReply } from './aliases.ts';
import { referenceReply, spelledAsHeld } from './reference-replies.ts';

export interface OwnZoneOptions {
  readonly index: ZoneIndex;
  /** False: the faults of Mesos-DNS's negative answers are kept (specs/dns.md §8.2). */
  readonly strict: boolean;
  /** RA of Mesos-DNS's zone, which calls it `recurseOn`. */
  readonly recursionAvailable: boolean;
  /** RA of the other zones: dcos-net's never say it (specs/dns.md §6.7), which clients that want recursion warn of. Default false. */
  readonly recursionElsewhere?: boolean;
  /** Which answer a reply begins with: a counter, a random choice, or always the first. */
  readonly turn: (answers: number) => number;
  /** Where given, addresses are put in a random order (§4.3). */
  readonly shuffle?: Random | null;
  /** Other spellings of our zones, in which targets of aliases may be written. */
  readonly renamings?: readonly Renaming[];
}

export function createOwnZone(options: OwnZoneOptions): Answerer {
  const { index, strict, turn, shuffle = null, renamings = [] } = options;
  const flagsWith = (isAvailable: boolean): number =>
    isAvailable ? flag.authoritative | flag.recursionAvailable : flag.authoritative;
  const mesosFlags = flagsWith(options.recursionAvailable);
  const otherFlags = flagsWith(options.recursionElsewhere ?? false);
  const flagsOf = (zone: OwnZone): number => (zone.isMesos ? mesosFlags : otherFlags);
  return {
    name: 'own zone',
    answer(query, limit) {
      const entry = index.asked(query);
      if (entry === undefined) return answerMissing(query, limit);
      if (entry.zone.isSparse && !isHeld(entry)) return null;
      if (!strict) {
        if (isForOthers(query, entry.zone)) return null;
        const reply = referenceTo(query, limit, entry);
        if (reply !== null) return reply;
      }
      const template = index.templateOf(entry, strict ? typeToAnswer(query, entry) : query.type);
      if (template === null) return answerWithout(query, limit, entry);
      const { answers } = template;
      const reply = writeTemplate(template, query, limit, answers === 1 ? 0 : turn(answers), flagsOf(entry.zone));
      if (shuffle !== null && answers > 1) shuffleAddresses(template, reply, shuffle);
      return reply;
    },
  };

  /** What the references answer where it is not what the protocol asks for. */
  function referenceTo(query: Query, limit: number, entry: NameEntry): Buffer | null {
    const flags = flagsOf(entry.zone);
    if (entry.zone.isMesos) return referenceReply(query, limit, entry, index, flags);
    if (query.type === rrType.RRSIG) return refused(query, flags & ~flag.authoritative);
    const isOfZone = query.type === rrType.SOA || query.type === rrType.NS;
    return isOfZone ? null : spelledAsHeld(query, limit, entry, flags, turn);
  }

  /** No records of the type: an alias, or NODATA. */
  function answerWithout(query: Query, limit: number, entry: NameEntry): Buffer {
    if (entry.has(rrType.CNAME))
      return aliasReply(query, limit, entry.record?.rrs ?? [], { index, renamings, turn }, flagsOf(entry.zone));
    return deny(query, hidesEmpty(entry) ? rcode.nxDomain : rcode.noError, entry.zone);
  }

  /** dcos-net knows no names that only have names below them (§6.7). */
  function hidesEmpty({ zone, hasRecord }: NameEntry): boolean {
    return !strict && !zone.isMesos && !hasRecord;
  }

  function answerMissing(query: Query, limit: number): Buffer | null {
    const zone = index.zoneAsked(query);
    if (zone === undefined || zone.isSparse || (!strict && isForOthers(query, zone))) return null;
    if (!index.isReady) return notReady(query, zone);
    const entry = asksForStar(query) ? index.find(withoutStars(query.key)) : undefined;
    if (entry !== undefined) {
      const reply = strict || !zone.isMesos ? null : referenceReply(query, limit, entry, index, flagsOf(zone));
      return reply ?? answerStarred(query, limit, entry);
    }
    if (!strict && !zone.isMesos && query.type === rrType.RRSIG)
      return refused(query, flagsOf(zone) & ~flag.authoritative);
    const reference = strict || !zone.isMesos ? null : referenceReply(query, limit, null, index, flagsOf(zone), zone);
    return reference ?? deny(query, rcode.nxDomain, zone);
  }

  /** `foo.*.marathon.mesos` reads as `foo.marathon.mesos`: all the wildcards that Mesos-DNS has (§4.3). */
  function answerStarred(query: Query, limit: number, entry: NameEntry): Buffer {
    const template = index.compileFor(entry, query.type, query.questionEnd);
    if (template === null) return deny(query, rcode.noError, entry.zone);
    return writeTemplate(template, query, limit, turn(template.answers), flagsOf(entry.zone));
  }

  function notReady(query: Query, zone: OwnZone): Buffer {
    query.extendedError = extendedError.notReady;
    return servFail(query, flagsOf(zone) & ~flag.authoritative);
  }

  function deny(query: Query, code: number, zone: OwnZone): Buffer {
    const flags = flagsOf(zone);
    return zone.denialSoa === null ? notReady(query, zone) : denial(query, code, flags, zone.denialSoa);
  }
}

/** Mesos-DNS has DS looked up elsewhere, whatever the name (specs/dns.md §4.1). */
const isForOthers = ({ type }: Query, { isMesos }: OwnZone): boolean => isMesos && type === rrType.DS;

const spartanKey = keyOfName(dcosZones.spartan) ?? '';

/** ANY gets one kind of the records (RFC 8482 §4.1), but all of them in `spartan`, where DC/OS's watchdog looks. */
function typeToAnswer({ type }: Query, entry: NameEntry): number {
  if (type !== rrType.ANY || entry.zone.apex === spartanKey) return type;
  const first = entry.record?.rrs[0];
  return first === undefined ? type : rrType[first.type];
}

/** Reverse names of addresses of the cluster; the apex is there for its SOA alone. */
const isHeld = (entry: NameEntry): boolean => entry.hasRecord && entry.key !== entry.zone.apex;

/** Drops labels that are a star, except the first. */
function withoutStars(key: string): string {
  if (!key.includes('\x01*')) return key;
  let plain = key.slice(0, key.charCodeAt(0) + 1);
  for (let at = plain.length; at < key.length;) {
    const next = at + 1 + key.charCodeAt(at);
    if (key.slice(at, next) !== '\x01*') plain += key.slice(at, next);
    at = next;
  }
  return plain;
}
