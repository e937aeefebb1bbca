// Requests read twice: by our parser, whole and in pieces, and by Node's. What we accept, Node accepts and reads the same, but for the
// differences written down here; what Node accepts and we refuse is counted by reason.

import { createRequire } from 'node:module';
import { BodyReader, badFraming, defaultLimits, RequestHead } from '../../proxies/http1/index.ts';
import type { Random } from '../../src/runtime/index.ts';
import { Finding } from './fuzz-run.ts';
import { below } from './mutation.ts';

export interface ReadRequest {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly string[];
  readonly body: string;
}

/** A refusal's status; null: the request is not whole. */
export type Reading = ReadRequest | number | null;

/** What Node's parser refuses and a proxy passes on, or reads in another way that means the same (specs/l7.md §3.1). */
const nodeIsStricter: readonly (readonly [why: string, applies: (request: ReadRequest, text: string) => boolean])[] = [
  ['a method that Node has not heard of', ({ method }) => !knownMethods.has(method)],
  ['extensions of chunks are dropped unread here, parsed there', (_, text) => /\r\n[0-9a-fA-F]+;/.test(text)],
  ['PRI is the preface of HTTP/2 to Node', ({ method }) => method === 'PRI'],
  ['a CONNECT is answered 405 here, a tunnel there', ({ method }) => method === 'CONNECT'],
  ['an Upgrade ends HTTP for Node, whatever it names', ({ fields }) => names(fields).includes('upgrade')],
  [
    'a field name that Node reads as framing wherever it stands',
    ({ fields }) => names(fields).includes('proxy-connection'),
  ],
];

const names = (fields: readonly string[]): readonly string[] =>
  fields.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());

interface NodeParser {
  initialize(type: number, resource: object, maxHeaderSize: number): void;
  execute(bytes: Buffer): number | Error;
  [callback: number]: (...values: never[]) => unknown;
}

interface NodeParsers {
  readonly methods: readonly string[];
  readonly HTTPParser: {
    new (): NodeParser;
    readonly REQUEST: number;
    readonly kOnHeaders: number;
    readonly kOnHeadersComplete: number;
    readonly kOnBody: number;
    readonly kOnMessageComplete: number;
  };
}

/** The parser that `node:http` uses, without its sockets. */
const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as NodeParsers;
const knownMethods = new Set(methods);

/** Node's parser numbers methods, and does not say how: by what it makes of each. */
const methodOf = new Map(methods.map((method) => [numberOf(method), method]));

function numberOf(method: string): number {
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, 1 << 20);
  let number = -1;
  parser[HTTPParser.kOnHeadersComplete] = ((...[, , , seen]: readonly number[]) => {
    number = seen ?? -1;
    return 0;
  }) as never;
  parser.execute(Buffer.from(`${method} ${method === 'CONNECT' ? 'a:1' : '/'} HTTP/1.1\r\nHost: a\r\n\r\n`));
  return number;
}

/** The first request in `bytes` as Node reads it. */
function readByNode(bytes: Buffer): Reading {
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, 1 << 20);
  let fields: string[] = [];
  let heard: { method: string; target: string; fields: readonly string[] } | null = null;
  let body = '';
  const state = { whole: false, next: false };
  parser[HTTPParser.kOnHeaders] = ((more: string[]) => void (fields = [...fields, ...more])) as never;
  parser[HTTPParser.kOnHeadersComplete] = ((
    _major: number,
    _minor: number,
    more: string[] | undefined,
    method: number,
    target: string,
  ) => {
    if (heard === null) heard = { method: methodOf.get(method) ?? '', target, fields: more ?? fields };
    else state.next = true;
    return 0;
  }) as never;
  parser[HTTPParser.kOnBody] = ((part: Buffer) => {
    if (!state.whole) body += part.toString('latin1');
  }) as never;
  parser[HTTPParser.kOnMessageComplete] = (() => void (state.whole = true)) as never;
  const result = parser.execute(bytes);
  if (state.whole && heard !== null) return { ...(heard as Omit<ReadRequest, 'body'>), body };
  return typeof result === 'number' ? null : 400;
}

/** The first request in `bytes`, which come in two pieces cut at `cut`. */
function readByUs(bytes: Buffer, cut: number): Reading {
  let from = 0;
  while (bytes[from] === 0x0d && bytes[from + 1] === 0x0a) from += 2;
  const head = new RequestHead();
  let end = head.parse(bytes, from, Math.max(from, cut), defaultLimits);
  if (end === 0) end = head.parse(bytes, from, bytes.length, defaultLimits);
  if (end <= 0) return end === 0 ? null : -end;
  const body = new BodyReader();
  if (head.chunked) body.start('chunked', 0, false);
  else body.start(head.contentLength > 0 ? 'length' : 'none', head.contentLength, false);
  let text = '';
  const sink = { onBody: (part: Buffer, a: number, b: number) => void (text += part.toString('latin1', a, b)) };
  const middle = Math.max(end, cut);
  let at = body.feed(bytes, end, middle, sink);
  if (at !== badFraming && !body.ended) at = body.feed(bytes, middle, bytes.length, sink);
  if (at === badFraming) return 400;
  if (!body.ended) return null;
  const { fields } = head;
  const pairs = Array.from({ length: fields.count }, (_, i) => [fields.name(i), fields.value(i)]);
  return { method: head.method, target: head.target, fields: pairs.flat(), body: text };
}

/** Throws a finding where the two parsers, or two ways of cutting, do not agree. Answers with what became of the request. */
export function compareParsers(bytes: Buffer, random: Random): 'both' | 'refused' | 'stricter' | 'partial' {
  const ours = readByUs(bytes, bytes.length);
  const inPieces = readByUs(bytes, below(random, bytes.length + 1));
  if (JSON.stringify(ours) !== JSON.stringify(inPieces) && !(ours === null && typeof inPieces !== 'object'))
    throw new Finding(`read as ${JSON.stringify(ours)}, in pieces as ${JSON.stringify(inPieces)}`, bytes);
  const theirs = readByNode(bytes);
  const isTheirs = typeof theirs === 'object' && theirs !== null;
  if (ours === null) return 'partial';
  if (typeof ours === 'number') return isTheirs ? 'stricter' : 'refused';
  const text = bytes.toString('latin1');
  if (nodeIsStricter.some(([, applies]) => applies(ours, text))) return 'both';
  if (!isTheirs || JSON.stringify(ours) !== JSON.stringify(theirs))
    throw new Finding(`read as ${JSON.stringify(ours)}, by Node as ${JSON.stringify(theirs)}`, bytes);
  return 'both';
}
