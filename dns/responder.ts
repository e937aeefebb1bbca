// From packet to reply: what is wrong with the packet itself, then the chain of answerers. Counts what it answered.

import { messageOf, type Cell, type CellFamily, type Logger } from '../src/runtime/index.ts';
import type { Answerer } from './chain.ts';
import { emptyReply, refused, servFail, udpLimit } from './reply.ts';
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
  /** Counter by type and rcode. */
  readonly queries: CellFamily;
  readonly log: Logger;
}

export interface Responder {
  /** The reply to a packet; null where it deserves none. Never throws; the promise never rejects. `client` is an address. */
  reply(bytes: Buffer, transport: 'udp' | 'tcp', client: string): Buffer | Promise<Buffer> | null;
}

export function createResponder(options: ResponderOptions): Responder {
  const count = createCounter(options.queries);
  const finish = (query: Query, reply: Buffer): Buffer => {
    const second = reply[2] as number;
    if (!options.setTruncateBit) reply[2] = second & ~0x02;
    count(query.type, (reply[3] as number) & 15);
    return reply;
  };
  const fail = (query: Query, error: unknown): Buffer => {
    options.log.error({ error: messageOf(error) }, 'a DNS query could not be answered for a bug of ours');
    return finish(query, servFail(query, 0));
  };
  return {
    reply(bytes, transport, client) {
      const query = parseQuery(bytes);
      if (query.fault === notAQuery) return null;
      try {
        const rejection = rejectionOf(query, options.strict);
        if (rejection !== null) return finish(query, rejection);
        const reply = ask(options.chain, query, transport === 'udp' ? udpLimit(query) : maxMessageOctets, client);
        if (!(reply instanceof Promise)) return finish(query, reply);
        return reply.then(
          (message) => finish(query, message),
          (error: unknown) => fail(query, error),
        );
      } catch (error) {
        return fail(query, error);
      }
    },
  };
}

function ask(chain: readonly Answerer[], query: Query, limit: number, client: string): Buffer | Promise<Buffer> {
  for (const answerer of chain) {
    const reply = answerer.answer(query, limit, client);
    if (reply !== null) return reply;
  }
  return refused(query, 0);
}

/** What a packet deserves that cannot go to the chain (specs/dns.md §8.2.4, §8.2.5). */
function rejectionOf(query: Query, strict: boolean): Buffer | null {
  if (strict && opcodeOf(query) !== 0) return emptyReply(query, rcode.notImp, 0);
  if (query.fault !== rcode.noError) return emptyReply(query, query.fault, 0);
  if (strict && questionCount(query) !== 1) return emptyReply(query, rcode.formErr, 0);
  if (query.hasEdns && query.ednsVersion > 0) return emptyReply(query, rcode.badVers, 0);
  if (strict && query.class !== 1) return refused(query, 0);
  return query.type === rrType.AXFR || query.type === rrType.IXFR ? refused(query, 0) : null;
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
