// A compiled answer: the reply to one name and type in wire form, made when first asked after a change, and patched for each query
// with its id, flags, spelling, rotation and size.

import type { Random } from '../src/runtime/index.ts';
import { appendOpt, optOctets, replyFlags } from './reply.ts';
import { encodeRdata, rdataType, rrType, type Query } from './wire/index.ts';
import type { ZoneRr } from './zone/index.ts';

/** An address of a name that an answer points to. */
interface Glue {
  /** Where its owner stands in `bytes`: a pointer into the answer. */
  readonly at: number;
  readonly answer: number;
  /** Of the name within that answer. */
  readonly offset: number;
}

/** What a name that answers point to had when the template was made. */
export interface TargetRecords {
  /** By which a change is seen; undefined: the name was not there. */
  readonly text: string | undefined;
  readonly rrs: readonly ZoneRr[];
}

export interface TemplateTarget {
  readonly name: string;
  readonly text: string | undefined;
}

export interface Template {
  readonly type: number;
  /** Generation of the zone in which the targets were last found unchanged. */
  checkedIn: number;
  /** Of the same name, for another type. */
  next: Template | null;
  readonly answers: number;
  readonly answersEnd: number;
  /** Header and question are left free, then answers, then their targets' addresses. */
  readonly bytes: Buffer;
  /** Offset of each answer, and at last the end of them all. */
  readonly starts: readonly number[];
  readonly glue: readonly Glue[];
  readonly targets: readonly TemplateTarget[];
}

const pointerToQuestion = 0xc00c;
const pointerReach = 0x3fff;

/** Compiles `rrs`, all under the name asked, whose question ends at `questionEnd`. `serial` goes into SOA records that have none. */
export function compileTemplate(
  type: number,
  rrs: readonly ZoneRr[],
  questionEnd: number,
  serial: number,
  targetOf: (name: string) => TargetRecords,
): Template {
  const answers = rrs.map((rr) => encodeAnswer(rr, serial));
  const starts = [questionEnd];
  for (const answer of answers) starts.push((starts.at(-1) as number) + answer.length);
  const held = targetsOf(rrs).map((name) => ({ name, ...targetOf(name) }));
  const { parts, glue } = compileGlue(rrs, starts, held);
  const bytes = Buffer.concat([Buffer.alloc(questionEnd), ...answers, ...parts]);
  const answersEnd = starts.at(-1) as number;
  const targets = held.map(({ name, text }) => ({ name, text }));
  return { type, checkedIn: 0, next: null, answers: rrs.length, answersEnd, bytes, starts, glue, targets };
}

function encodeAnswer(rr: ZoneRr, serial: number): Buffer {
  return encodeFixed(pointerToQuestion, rr, rr.type === 'SOA' && rr.serial === 0 ? { ...rr, serial } : rr);
}

function encodeFixed(pointer: number, rr: ZoneRr, rdata: ZoneRr): Buffer {
  const data = encodeRdata(rdata);
  if (data === null) throw new RangeError(`a ${rr.type} record of the zone cannot be encoded`);
  const bytes = Buffer.allocUnsafe(12 + data.length);
  bytes.writeUInt16BE(pointer, 0);
  bytes.writeUInt16BE(rdataType(rr), 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt32BE(rr.ttl, 6);
  bytes.writeUInt16BE(data.length, 10);
  data.copy(bytes, 12);
  return bytes;
}

function targetsOf(rrs: readonly ZoneRr[]): readonly string[] {
  return [...new Set(rrs.flatMap((rr) => (rr.type === 'SRV' || rr.type === 'NS' ? [rr.target] : [])))];
}

/** One A and one AAAA of each target (specs/dns.md §4.3), in the order of the targets. */
function compileGlue(
  rrs: readonly ZoneRr[],
  starts: readonly number[],
  targets: readonly (TemplateTarget & TargetRecords)[],
): { readonly parts: readonly Buffer[]; readonly glue: readonly Glue[] } {
  const parts: Buffer[] = [];
  const glue: Glue[] = [];
  let at = starts.at(-1) as number;
  if (at > pointerReach) return { parts, glue };
  for (const { name, rrs: held } of targets) {
    const answer = rrs.findIndex((rr) => (rr.type === 'SRV' || rr.type === 'NS') && rr.target === name);
    const offset = rrs[answer]?.type === 'SRV' ? 18 : 12;
    for (const type of ['A', 'AAAA'] as const) {
      const rr = held.find((other) => other.type === type);
      if (rr === undefined) continue;
      const part = encodeFixed(0xc000 | ((starts[answer] as number) + offset), rr, rr);
      parts.push(part);
      glue.push({ at, answer, offset });
      at += part.length;
    }
  }
  return { parts, glue };
}

/**
 * The reply to `query`, of at most `limit` octets. `first` is the answer to begin with; the others follow in turn. Where not all fits,
 * the targets' addresses go first, then answers from the end, and TC is set.
 */
export function writeTemplate(template: Template, query: Query, limit: number, first: number, flags: number): Buffer {
  const { bytes, answersEnd } = template;
  const opt = query.hasEdns ? optOctets : 0;
  if (answersEnd + opt > limit) return writeCut(template, query, limit - opt, first, flags);
  const end = bytes.length + opt > limit ? answersEnd : bytes.length;
  const out = Buffer.allocUnsafe(end + opt);
  query.bytes.copy(out, 0, 0, query.questionEnd);
  if (first === 0) {
    bytes.copy(out, query.questionEnd, query.questionEnd, end);
  } else {
    const split = template.starts[first] as number;
    bytes.copy(out, query.questionEnd, split, answersEnd);
    bytes.copy(out, query.questionEnd + answersEnd - split, query.questionEnd, split);
    bytes.copy(out, answersEnd, answersEnd, end);
    if (end > answersEnd) turnGlue(template, out, first);
  }
  writeHeader(out, query, flags, template.answers, end > answersEnd ? template.glue.length : 0);
  if (opt > 0) appendOpt(out, end, query, 0);
  return out;
}

/**
 * Puts the answers of a reply made by `writeTemplate` in a random order, each as likely as any other, in place. For A and AAAA alone:
 * their records are of one length, and nothing points into them.
 */
export function shuffleAddresses({ type, starts }: Template, reply: Buffer, random: Random): void {
  if (type !== rrType.A && type !== rrType.AAAA) return;
  const begin = starts[0] as number;
  const octets = (starts[1] as number) - begin;
  for (let last = reply.readUInt16BE(6) - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    if (other !== last) swapWords(reply, begin + last * octets, begin + other * octets, octets);
  }
}

/** `octets` is a multiple of four. */
function swapWords(bytes: Buffer, a: number, b: number, octets: number): void {
  for (let at = 0; at < octets; at += 4) {
    const held = bytes.readInt32LE(a + at);
    bytes.writeInt32LE(bytes.readInt32LE(b + at), a + at);
    bytes.writeInt32LE(held, b + at);
  }
}

/** Answers have moved: pointers of the glue follow them. */
function turnGlue({ glue, starts }: Template, out: Buffer, first: number): void {
  const begin = starts[0] as number;
  const split = starts[first] as number;
  const answersEnd = starts[starts.length - 1] as number;
  for (const { at, answer, offset } of glue) {
    const moved = (starts[answer] as number) + (answer >= first ? begin - split : answersEnd - split);
    const pointer = 0xc000 | (moved + offset);
    out[at] = pointer >> 8;
    out[at + 1] = pointer & 0xff;
  }
}

function writeCut({ bytes, starts }: Template, query: Query, room: number, first: number, flags: number): Buffer {
  const opt = query.hasEdns ? optOctets : 0;
  const count = starts.length - 1;
  let end = query.questionEnd;
  let kept = 0;
  const out = Buffer.allocUnsafe(Math.max(room, end) + opt);
  query.bytes.copy(out, 0, 0, end);
  for (; kept < count; kept++) {
    const answer = (first + kept) % count;
    const [start, next] = [starts[answer] as number, starts[answer + 1] as number];
    if (end + next - start > room) break;
    bytes.copy(out, end, start, next);
    end += next - start;
  }
  writeHeader(out, query, flags | 0x0200, kept, 0);
  if (opt > 0) appendOpt(out, end, query, 0);
  return out.subarray(0, end + opt);
}

function writeHeader(out: Buffer, query: Query, flags: number, answers: number, additionals: number): void {
  const word = replyFlags(query, flags);
  const extra = additionals + (query.hasEdns ? 1 : 0);
  out[2] = word >> 8;
  out[3] = word & 0xff;
  out[4] = 0;
  out[5] = 1;
  out[6] = answers >> 8;
  out[7] = answers & 0xff;
  out[8] = 0;
  out[9] = 0;
  out[10] = extra >> 8;
  out[11] = extra & 0xff;
}
