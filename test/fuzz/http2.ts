// Fuzzing of HTTP/2: header blocks through the decoder, and frames, mutated one by one, through whole connections. Nothing may throw, every
// answer must be that of its stream, what a handler gets must be one request of HTTP/1, and a connection that was not ended must go on.

import { setImmediate as turn } from 'node:timers/promises';
import { seededRandom, type Clock, type Random } from '../../src/runtime/index.ts';
import { errorAnswer, type Exchange, type RequestView } from '../../proxies/http1/index.ts';
import { createHttp2Front } from '../../proxies/http2/index.ts';
import { frameFlag, frameType, preface, setting } from '../../proxies/http2/frame-words.ts';
import { HpackDecoder } from '../../proxies/http2/hpack-decoder.ts';
import { HpackEncoder } from '../../proxies/http2/hpack-encoder.ts';
import {
  block,
  data,
  endHeaders,
  endStream,
  frame,
  headers,
  number,
  ping,
  settings,
  usualFields,
} from '../proxies/http2/frame-client.ts';
import { Finding, runFuzz } from './fuzz-run.ts';
import { DeafSocket, readAnswers } from './http2-wire.ts';
import { below, mutated, noise } from './mutation.ts';

const defaultCount = 10_000;
const mostOctets = 20_000;
/** How much a decoder may hand on of one block. */
const mostListBytes = 64 * 1024;

type Progress = (part: string, done: number) => void;

/** Time stands still: nothing ends by it. */
const stillClock: Clock = { now: () => 0, monotonic: () => 0, after: () => ({ cancel: () => undefined }) };

export function run(args: readonly string[]): Promise<number> {
  return runFuzz('http2', args, defaultCount, async ({ count, seed }, progress) => {
    const random = seededRandom(seed);
    await fuzzBlocks(random, count, progress);
    await fuzzFrames(random, count, progress);
  });
}

const fieldsOfKinds = (token: string): readonly (readonly [string, string])[] => [
  ...usualFields('POST', `/${token}?q=1`),
  ['content-length', '3'],
  ['cookie', 'a=b'],
  ['cookie', 'c=d'],
  ['te', 'trailers'],
  ['x-forwarded-for', '192.0.2.1'],
  ['priority', 'u=1, i'],
  ['x_under', 'score'],
];

function blockSeeds(): readonly Buffer[] {
  const encoder = new HpackEncoder();
  const encoded = [1, 2, 3].map(() => {
    encoder.begin();
    for (const [name, value] of fieldsOfKinds('seed')) encoder.field(name, value);
    return Buffer.from(encoder.bytes.subarray(0, encoder.length));
  });
  const huffman = '828684418cf1e3c2e5f23a6ba0ab90f4ff408825a849e95ba97d7f8925a849e95bb8e8b4bf';
  return [
    ...encoded,
    block(fieldsOfKinds('seed')),
    Buffer.from(huffman, 'hex'),
    Buffer.from('3fe11f20828684be', 'hex'),
  ];
}

/** A few blocks a decoder, so that its table has a past. */
async function fuzzBlocks(random: Random, count: number, progress: Progress): Promise<void> {
  const seeds = blockSeeds();
  const seen = { whole: 0, broken: 0 };
  for (let done = 0; done < count;) {
    const decoder = new HpackDecoder();
    for (let goesOn = true; goesOn && done < count; done++) {
      const bytes = mutated(seeds, random, mostOctets);
      let handed = 0;
      const sink = {
        onField(field: { readonly line: string; readonly bytes: number; readonly isValid: boolean }) {
          handed += field.bytes;
          const { line } = field;
          if (line !== '' && !/^[^\r\n\0]*\r\n$/.test(line)) throw new Finding('a line that is more than one', bytes);
        },
      };
      goesOn = decoder.decode(bytes, 0, bytes.length, sink, mostListBytes) && below(random, 8) > 0;
      if (handed > mostListBytes) throw new Finding('more was handed on than the limit', bytes);
      seen[goesOn ? 'whole' : 'broken']++;
    }
    if (done % 1000 > 8) continue;
    progress('blocks', done);
    await turn();
  }
  tell(`blocks: ${seen.whole} decoded, ${seen.broken} broken or last`);
}

function frameSeeds(id: number, token: string): readonly Buffer[] {
  const { priority, padded } = frameFlag;
  const whole = block(fieldsOfKinds(token));
  const handshake = [...usualFields('CONNECT', `/${token}`), [':protocol', 'websocket']] as const;
  return [
    headers(id, usualFields('GET', `/${token}`)),
    headers(id, fieldsOfKinds(token), endHeaders),
    headers(id, handshake, endHeaders),
    data(id, 'abc'),
    data(id, 'ab', 0),
    frame(frameType.data, padded, id, Buffer.from([2, 0x61, 0, 0])),
    headers(id, [['x-sum', '1']]),
    frame(frameType.headers, endStream, id, whole.subarray(0, 20)),
    frame(frameType.continuation, endHeaders, id, whole.subarray(20)),
    frame(frameType.headers, endHeaders | priority, id, Buffer.concat([number(0), Buffer.from([9]), whole])),
    frame(frameType.rstStream, 0, id, number(8)),
    frame(frameType.windowUpdate, 0, id, number(1000)),
    frame(frameType.windowUpdate, 0, 0, number(1000)),
    frame(frameType.priority, 0, id, Buffer.from([0, 0, 0, 0, 1])),
    frame(frameType.priorityUpdate, 0, 0, Buffer.concat([number(id), Buffer.from('u=2,i')])),
    settings([setting.initialWindowSize, 5], [setting.headerTableSize, 0]),
    settings([setting.initialWindowSize, 70_000], [setting.headerTableSize, 4096]),
    frame(frameType.settings, frameFlag.ack, 0),
    ping('abcdefgh'),
    frame(frameType.goaway, 0, 0, Buffer.alloc(8)),
    frame(77, 0, id, 'unknown'),
  ];
}

/** Frames of a stream by its id and one of a few tokens: made once, as making them costs more than a connection. */
const seedsMade = new Map<string, readonly Buffer[]>();
const tokens = 16;

function seedsOf(id: number, token: number): readonly Buffer[] {
  const key = `s${id}t${token}`;
  let seeds = seedsMade.get(key);
  if (seeds === undefined) seedsMade.set(key, (seeds = frameSeeds(id, key)));
  return seeds;
}

/** A request as it should be: GET, or POST with its body. */
function usual(seeds: readonly Buffer[], random: Random): readonly Buffer[] {
  const [get, post, , body] = seeds as [Buffer, Buffer, Buffer, Buffer];
  return below(random, 2) === 0 ? [get] : [post, body];
}

async function fuzzFrames(random: Random, count: number, progress: Progress): Promise<void> {
  const seen = { ended: 0, open: 0, answered: 0 };
  for (let done = 0; done < count; done++) {
    const frames = [preface, settings()];
    for (let i = 1 + below(random, 10), id = 1; i > 0; i--) {
      const seeds = seedsOf(id, (done + i) % tokens);
      const kind = below(random, 16);
      if (kind < 4) frames.push(mutated(seeds, random, mostOctets));
      else if (kind < 7) frames.push(seeds[below(random, seeds.length)] as Buffer);
      else frames.push(...usual(seeds, random));
      if (below(random, 4) > 0) id += 2;
    }
    if (below(random, 20) === 0) frames.push(noise(random, 40));
    const outcome = await converse(Buffer.concat(frames), random);
    seen.answered += outcome.answered;
    seen[outcome.hasEnded ? 'ended' : 'open']++;
    progress('frames', done);
  }
  tell(`frames: ${seen.open} connections went on, ${seen.ended} ended; ${seen.answered} requests answered`);
  if (seen.answered === 0 || seen.open === 0) throw new Error('no request was answered');
}

async function converse(
  bytes: Buffer,
  random: Random,
): Promise<{ readonly hasEnded: boolean; readonly answered: number }> {
  const socket = new DeafSocket();
  const targets = new Map<number, string>();
  const front = createHttp2Front({
    clock: stillClock,
    onExchange: (exchange) => answer(exchange, targets, bytes),
    onRefused: (status) => errorAnswer({ status, detail: 'no', requestId: '' }, null),
  });
  front.accept(socket.asSocket(), false);
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + below(random, 200));
    socket.push(bytes.subarray(at, end));
    at = end;
  }
  await turn();
  await turn();
  const before = readAnswers(socket.written);
  if (before.wrong !== null) throw new Finding(before.wrong, bytes);
  for (const [stream, body] of before.bodies) {
    const wanted = targets.get(stream);
    if (wanted === undefined || !wanted.startsWith(body))
      throw new Finding(`stream ${stream} got ${JSON.stringify(body)}`, bytes);
  }
  front.destroy();
  return { hasEnded: before.hasLeft, answered: before.bodies.size };
}

function answer(exchange: Exchange, targets: Map<number, string>, bytes: Buffer): void {
  const wrong = strangeIn(exchange.request);
  if (wrong !== null) throw new Finding(wrong, bytes);
  const { id } = exchange as unknown as { readonly id: number };
  const body = `answer to ${exchange.request.forwardTarget}`;
  targets.set(id, body);
  let length = 0;
  exchange.handle({
    onRequestBody: (_bytes, from, to) => void (length += to - from),
    onRequestEnd() {
      const { contentLength } = exchange.request;
      if (contentLength >= 0 && contentLength !== length) throw new Finding('a body of another length', bytes);
      exchange.respond({ status: 200, fields: [], contentType: 'text/plain', body });
    },
    onClientWritable: () => undefined,
    onClientLost: () => undefined,
  });
  exchange.resumeBody();
}

/** What would be more than one request, or another one, once it is written as HTTP/1. */
function strangeIn({ method, forwardTarget, authority, fields, contentLength, chunked }: RequestView): string | null {
  if (!/^[A-Z_-]+$/.test(method)) return `the method ${JSON.stringify(method)}`;
  if (!/^[\x21-\x7e]*$/.test(forwardTarget)) return `the target ${JSON.stringify(forwardTarget)}`;
  if (!/^[\w.~:[\]-]+$/.test(authority)) return `the authority ${JSON.stringify(authority)}`;
  if (chunked && contentLength >= 0) return 'two lengths';
  const lines = fields.text === '' ? [] : fields.text.slice(0, -2).split('\r\n');
  if (lines.length !== fields.count) return `${fields.count} fields in ${lines.length} lines`;
  // eslint-disable-next-line no-control-regex -- what is looked for
  const odd = lines.find((line) => !/^[!#$%&'*+\-.^_`|~0-9a-z]+: [^\0-\x08\x0a-\x1f\x7f]*$/.test(line));
  if (odd !== undefined) return `the line ${JSON.stringify(odd)}`;
  const hop = lines.find((line) => /^(connection|transfer-encoding|upgrade|keep-alive|proxy-connection):/.test(line));
  return hop ?? null;
}

const tell = (line: string): void => void process.stdout.write(`     ${line}\n`);
