// From packet to reply: what is wrong with the packet itself, then the chain of answerers. Counts what it answered.

import { messageOf, type Cell, type CellFamily, type Logger } from '../src/runtime/index.ts';
import type { Answerer } from './chain.ts';
import { cookieOptionOctets, type Cookies, type CookieVerdict } from './cookies.ts';
import { extendedError, withOptions } from './edns-options.ts';
import type { Transfers } from './transfer/transfers.ts';
import type { RateLimiter } from './rate-limit.ts';
import { emptyReply, flag, refused, servFail, udpLimit } from './reply.ts';
import {
  maxMessageOctets,
  notAQuery,
  opcodeOf,
  parseQuery,
  questionCount,
  rcode,
  rcodeName,
  rrType,
  rrTypeName,
  type Query,
} from './wire/index.ts';

export interface ResponderOptions {
  readonly chain: readonly Answerer[];
  /** False: opcode, class and the number of questions are passed over as Mesos-DNS does (specs/dns.md §4.1). */
  readonly strict: boolean;
  /** False: TC is never set, for clients that cannot use TCP (`setTruncateBit`). */
  readonly setTruncateBit: boolean;
  /** RA of what is refused before anybody is asked. Default false. */
  readonly recursionAvailable?: boolean;
  /** Counter by type and rcode. */
  readonly queries: CellFamily;
  readonly cookies?: Cookies;
  /** Default: zones are given to nobody. */
  readonly transfers?: Transfers;
  /** Default: as many answers as are asked for. */
  readonly rateLimiter?: RateLimiter;
  /** Counter by `truncate` and `drop`. */
  readonly rateLimited?: CellFamily;
  readonly log: Logger;
}

export interface Responder {
  /** The reply to a packet; null where it deserves none. Never throws; the promise never rejects. `client` is an address. */
  reply(bytes: Buffer, transport: Transport, client: string): Buffer | Promise<Buffer | null> | null;
}

type Transport = 'udp' | 'tcp';

/** A packet on its way to a reply. */
interface Asked {
  readonly query: Query;
  readonly transport: Transport;
  readonly client: string;
  readonly limit: number;
  readonly cookie: CookieVerdict | null;
}

export function createResponder(options: ResponderOptions): Responder {
  const count = createCounter(options.queries);
  const send = createGate(options);
  const available = options.recursionAvailable === true ? flag.recursionAvailable : 0;
  const finish = (asked: Asked, reply: Buffer): Buffer | null => {
    const second = reply[2] as number;
    if (!options.setTruncateBit) reply[2] = second & ~0x02;
    count(asked.query.type, (reply[3] as number) & 15);
    return send(asked, reply);
  };
  const fail = (asked: Asked, error: unknown): Buffer | null => {
    options.log.error({ error: messageOf(error) }, 'a DNS query could not be answered for a bug of ours');
    return finish(asked, servFail(asked.query, 0));
  };
  return {
    reply(bytes, transport, client) {
      const query = parseQuery(bytes);
      if (query.fault === notAQuery) return null;
      const cookie = query.hasEdns ? (options.cookies?.read(query, client) ?? null) : null;
      const limit = transport === 'udp' ? udpLimit(query, options.strict) : maxMessageOctets;
      const asked = { query, transport, client, limit, cookie: typeof cookie === 'number' ? null : cookie };
      try {
        if (typeof cookie === 'number') return finish(asked, emptyReply(query, cookie, available));
        const serial = query.type === rrType.IXFR ? options.transfers?.current(query, client) : null;
        if (serial !== null && serial !== undefined && transport === 'udp') return finish(asked, serial);
        const rejection = rejectionOf(query, options.strict, available);
        if (rejection !== null) return finish(asked, rejection);
        const reply = ask(options.chain, query, cookie === null ? limit : limit - cookieOptionOctets, client);
        if (!(reply instanceof Promise)) return finish(asked, reply);
        return reply.then(
          (message) => finish(asked, message),
          (error: unknown) => fail(asked, error),
        );
      } catch (error) {
        return fail(asked, error);
      }
    },
  };
}

/** Last words on a reply: its EDNS options, and whether it goes out at all. */
function createGate({ rateLimiter, rateLimited }: ResponderOptions): (asked: Asked, reply: Buffer) => Buffer | null {
  const cut = rateLimited?.cell('truncate');
  const dropped = rateLimited?.cell('drop');
  return ({ query, transport, client, limit, cookie }, reply) => {
    const option = cookie?.option ?? null;
    if (option === null && query.extendedError < 0 && rateLimiter === undefined) return reply;
    if (rateLimiter !== undefined && transport === 'udp' && cookie?.isKnown !== true) {
      const verdict = rateLimiter.judge(query, (reply[3] as number) & 15, client);
      if (verdict === 'drop') {
        if (dropped !== undefined) dropped.value++;
        return null;
      }
      if (verdict === 'truncate') {
        if (cut !== undefined) cut.value++;
        return withOptions(emptyReply(query, rcode.noError, flag.truncated), query, option, limit);
      }
    }
    return withOptions(reply, query, option, limit);
  };
}

function ask(chain: readonly Answerer[], query: Query, limit: number, client: string): Buffer | Promise<Buffer> {
  for (const answerer of chain) {
    const reply = answerer.answer(query, limit, client);
    if (reply !== null) return reply;
  }
  query.extendedError = extendedError.notAuthoritative;
  return refused(query, 0);
}

/** What a packet deserves that cannot go to the chain (specs/dns.md §8.2.4, §8.2.5). */
function rejectionOf(query: Query, strict: boolean, flags: number): Buffer | null {
  if (strict && opcodeOf(query) !== 0) {
    query.extendedError = extendedError.notSupported;
    return emptyReply(query, rcode.notImp, flags);
  }
  if (query.fault !== rcode.noError) return emptyReply(query, query.fault, flags);
  if (strict && questionCount(query) !== 1) return emptyReply(query, rcode.formErr, flags);
  if (query.hasEdns && query.ednsVersion > 0) return emptyReply(query, rcode.badVers, flags);
  if (strict && query.class !== 1) return refused(query, flags);
  return query.type === rrType.AXFR || query.type === rrType.IXFR ? refused(query, flags) : null;
}

/** Cells by type and code, found without putting labels together. Types that nobody named count as one. */
function createCounter(queries: CellFamily): (type: number, code: number) => void {
  const cells = new Map<number, Cell>();
  const known = new Set(Object.values(rrType));
  return (type, code) => {
    const shown = known.has(type) ? type : 0;
    const key = shown * 16 + code;
    let cell = cells.get(key);
    if (cell === undefined) {
      cell = queries.cell(shown === 0 ? 'other' : rrTypeName(shown), rcodeName(code));
      cells.set(key, cell);
    }
    cell.value++;
  };
}
