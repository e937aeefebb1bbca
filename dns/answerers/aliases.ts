// Follows CNAMEs through our own zones (specs/dns.md §6.7): the aliases in the order of the chain, then what the last of them has.

import { appendOpt, flag, optOctets, servFail } from '../reply.ts';
import { heldKey, renamedRr, renamingOf, type Renaming } from '../renaming.ts';
import { decodeName, encodeMessage, keyOfName, rrTypeNumber, type Query, type ResourceRecord } from '../wire/index.ts';
import type { ZoneIndex } from '../zone-plane.ts';
import type { ZoneRr } from '../zone/index.ts';

export interface AliasOptions {
  readonly index: ZoneIndex;
  /** Other spellings under which a target may be written. */
  readonly renamings: readonly Renaming[];
  readonly turn: (answers: number) => number;
}

/** A chain that is longer has gone wrong. */
const mostAliases = 16;

/**
 * The reply for a name whose records `rrs` hold a CNAME and nothing of the type asked, of at most `limit` octets. A target of others is
 * not asked for: the chain ends there. SERVFAIL for a loop.
 */
export function aliasReply(
  query: Query,
  limit: number,
  rrs: readonly ZoneRr[],
  options: AliasOptions,
  flags: number,
): Buffer {
  const answers = follow(query, rrs, options);
  if (answers === null) return servFail(query, flags & ~flag.authoritative);
  const opt = query.hasEdns ? optOctets : 0;
  const message = encodeMessage(
    {
      id: query.bytes.readUInt16BE(0),
      flags: 0x8000 | (query.flags & 0x7910) | flags,
      question: { name: spellingOf(query), type: query.type, class: query.class },
      answers,
      authorities: [],
      additionals: [],
    },
    limit - opt,
  );
  if (opt === 0) return message;
  const out = Buffer.concat([message, Buffer.alloc(opt)]);
  appendOpt(out, message.length, query, 0);
  out.writeUInt16BE(out.readUInt16BE(10) + 1, 10);
  return out;
}

const spellingOf = (query: Query): string => decodeName(query.bytes, 12)?.text ?? '.';

/** Null: the chain leads back into itself. */
function follow(query: Query, first: readonly ZoneRr[], options: AliasOptions): readonly ResourceRecord[] | null {
  const answers: ResourceRecord[] = [];
  const record = (name: string, rr: ZoneRr): ResourceRecord => ({ name, class: 1, ttl: rr.ttl, rdata: rr });
  let name = spellingOf(query);
  let rrs: readonly ZoneRr[] | undefined = first;
  for (let aliases = 0; rrs !== undefined; aliases++) {
    const data = rrs.filter((rr) => rrTypeNumber(rr.type) === query.type);
    if (data.length > 0) {
      const start = options.turn(data.length);
      for (const rr of [...data.slice(start), ...data.slice(0, start)]) answers.push(record(name, rr));
      return answers;
    }
    const alias = rrs.find(isAlias);
    if (alias === undefined) break;
    if (aliases === mostAliases) return null;
    answers.push(record(name, alias));
    name = alias.target;
    rrs = recordsOf(name, options);
  }
  return answers;
}

const isAlias = (rr: ZoneRr): rr is ZoneRr & { readonly type: 'CNAME' } => rr.type === 'CNAME';

function recordsOf(name: string, { index, renamings }: AliasOptions): readonly ZoneRr[] | undefined {
  const key = keyOfName(name);
  if (key === null) return undefined;
  const held = index.find(key)?.record;
  if (held !== undefined && held !== null) return held.rrs;
  const renaming = renamingOf(renamings, key);
  if (renaming === undefined) return undefined;
  return index.find(heldKey(renaming, key))?.record?.rrs.map((rr) => renamedRr(rr, renaming));
}
