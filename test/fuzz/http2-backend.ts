// Fuzzing of HTTP/2 towards back ends: what one answers, mutated frame by frame, comes to a pool with requests under way. Nothing may throw,
// every request must come to its end, and what it is told must be what came on its own stream.

import { setImmediate as turn } from 'node:timers/promises';
import type { UpstreamUser } from '../../proxies/http1/index.ts';
import { createAnyPool } from '../../proxies/http2/index.ts';
import { FrameReader } from '../../proxies/http2/frame-reader.ts';
import { frameFlag, frameType, preface, setting } from '../../proxies/http2/frame-words.ts';
import { seededRandom, type Clock, type Random } from '../../src/runtime/index.ts';
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
} from '../proxies/http2/frame-client.ts';
import { Finding, runFuzz } from './fuzz-run.ts';
import { DeafSocket, readAnswers } from './http2-wire.ts';
import { below, mutated, noise } from './mutation.ts';

const defaultCount = 10_000;
const mostOctets = 20_000;
const mostRequests = 6;
/** Turns of the loop after which whoever waits has been forgotten: a connection that is lost costs a few. */
const mostTurns = 200;

/** Time stands still: nothing ends by it. */
const stillClock: Clock = { now: () => 0, monotonic: () => 0, after: () => ({ cancel: () => undefined }) };

export function run(args: readonly string[]): Promise<number> {
  return runFuzz('http2-backend', args, defaultCount, async ({ count, seed }, progress) => {
    const random = seededRandom(seed);
    const seen = { answered: 0, cut: 0, failed: 0 };
    for (let done = 0; done < count; done++) {
      for (const outcome of await converse(random)) seen[outcome]++;
      progress('connections', done);
    }
    process.stdout.write(`     requests: ${seen.answered} answered, ${seen.cut} cut, ${seen.failed} failed\n`);
    if (seen.answered === 0) throw new Error('no request was answered');
  });
}

/** What dialling gives: connected in the next turn. */
class BackendSocket extends DeafSocket {
  setKeepAlive(): this {
    return this;
  }
}

/** A request that writes down what it is told, and whether that came in an order that may be. */
class Asker implements UpstreamUser {
  body = '';
  state: 'waiting' | 'sent' | 'answering' | 'ended' | 'failed' = 'waiting';
  isUnsent = false;
  wrong: string | null = null;

  onUpstreamReady: UpstreamUser['onUpstreamReady'] = (call) => {
    this.state = 'sent';
    call.sendHead('POST / HTTP/1.1\r\nHost: a\r\n\r\n', 'POST', true, '');
    call.sendBody(Buffer.from('abc'), 0, 3);
    call.endRequest(null);
  };
  onAnswer: UpstreamUser['onAnswer'] = ({ status }) => {
    this.#expect(this.state === 'sent' && status >= 200, 'an answer');
    this.state = 'answering';
    return false;
  };
  onAnswerBody: UpstreamUser['onAnswerBody'] = (bytes, from, to) => {
    this.#expect(this.state === 'answering', 'a body');
    this.body += bytes.toString('latin1', from, to);
    return true;
  };
  onAnswerEnd: UpstreamUser['onAnswerEnd'] = () => {
    this.#expect(this.state === 'answering', 'an end');
    this.state = 'ended';
  };
  onInformational: UpstreamUser['onInformational'] = ({ status }) =>
    this.#expect(this.state === 'sent' && status >= 100 && status < 200, 'an interim answer');
  onUpstreamFailed: UpstreamUser['onUpstreamFailed'] = ({ isUnsent }) => {
    this.#expect(this.state !== 'ended' && this.state !== 'failed', 'a failure');
    if (isUnsent === true && this.state === 'answering') this.wrong ??= 'an answer to what was never sent';
    this.state = 'failed';
  };
  onUpstreamWritable: UpstreamUser['onUpstreamWritable'] = () => undefined;
  onSwitched: UpstreamUser['onSwitched'] = () => void (this.wrong ??= 'a switch that nobody asked for');
  onReadEnd: UpstreamUser['onReadEnd'] = () => undefined;

  #expect(may: boolean, what: string): void {
    if (!may) this.wrong ??= `${what} in state ${this.state}`;
  }
}

function answerSeeds(id: number): readonly Buffer[] {
  const ok = [[':status', '200']] as const;
  const long = block([...ok, ['x-long', 'y'.repeat(100)]]);
  const { padded } = frameFlag;
  return [
    headers(id, ok, endHeaders),
    data(id, `answer ${id}`),
    headers(id, [...ok, ['content-length', '2']], endHeaders),
    headers(id, [[':status', '204']]),
    headers(
      id,
      [
        [':status', '103'],
        ['link', '</a>'],
      ],
      endHeaders,
    ),
    data(id, `part ${id}`, 0),
    frame(frameType.data, padded, id, Buffer.from([2, 0x61, 0, 0])),
    headers(id, [['grpc-status', '0']]),
    frame(frameType.headers, endStream, id, long.subarray(0, 20)),
    frame(frameType.continuation, endHeaders, id, long.subarray(20)),
    frame(frameType.rstStream, 0, id, number(8)),
    frame(frameType.rstStream, 0, id, number(7)),
    frame(frameType.goaway, 0, 0, Buffer.concat([number(id), number(0)])),
    frame(frameType.windowUpdate, 0, id, number(1000)),
    frame(frameType.windowUpdate, 0, 0, number(1000)),
    frame(frameType.pushPromise, endHeaders, id, Buffer.concat([number(2), long])),
    settings([setting.maxConcurrentStreams, 1], [setting.initialWindowSize, 1]),
    settings([setting.initialWindowSize, 70_000], [setting.headerTableSize, 0]),
    frame(frameType.settings, frameFlag.ack, 0),
    ping('abcdefgh'),
    frame(77, 0, id, 'unknown'),
  ];
}

const seedsById = Array.from({ length: mostRequests }, (_, i) => answerSeeds(2 * i + 1));

function answersFor(requests: number, random: Random): Buffer {
  const frames: Buffer[] = [];
  for (let i = 0; i < requests; i++) {
    const seeds = seedsById[i] as readonly Buffer[];
    const kind = below(random, 8);
    if (kind < 4) frames.push(seeds[0] as Buffer, seeds[1] as Buffer);
    else
      for (let parts = 1 + below(random, 5); parts > 0; parts--)
        frames.push(kind < 6 ? mutated(seeds, random, mostOctets) : (seeds[below(random, seeds.length)] as Buffer));
  }
  if (below(random, 20) === 0) frames.push(noise(random, 40));
  return Buffer.concat(frames);
}

/** `cut`: in the middle of a body. */
type Outcome = 'answered' | 'cut' | 'failed';

async function converse(random: Random): Promise<readonly Outcome[]> {
  const sockets: BackendSocket[] = [];
  const dial = () => {
    const socket = new BackendSocket();
    // Whoever is left for another connection finds nobody.
    setImmediate(() => (sockets.length === 1 ? socket.emit('connect') : socket.destroy()));
    sockets.push(socket);
    return socket.asSocket();
  };
  const pool = createAnyPool({ clock: stillClock });
  const askers = Array.from({ length: 1 + below(random, mostRequests) }, () => new Asker());
  for (const asker of askers) pool.acquire({ key: 'a', host: '127.0.0.1', port: 1, http2: { dial } }, asker);
  await turn();
  const [socket] = sockets as [BackendSocket];
  const bytes = answersFor(askers.length, random);
  const greeting = below(random, 50) === 0 ? mutated([settings()], random, 100) : settings();
  socket.push(greeting);
  await turn();
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + below(random, 200));
    socket.push(bytes.subarray(at, end));
    at = end;
  }
  await turn();
  socket.push(null);
  const isOver = (): boolean => askers.every(({ state }) => state === 'ended' || state === 'failed');
  for (let turns = 0; turns < mostTurns && !isOver(); turns++) await turn();
  check(askers, socket, Buffer.concat([greeting, bytes]));
  pool.destroy();
  return askers.map(({ state, body }) => (state === 'ended' ? 'answered' : body === '' ? 'failed' : 'cut'));
}

function check(askers: readonly Asker[], socket: BackendSocket, came: Buffer): void {
  const written = Buffer.concat(socket.written);
  if (written.length > 0 && !written.subarray(0, preface.length).equals(preface)) throw new Finding('no preface', came);
  // The rules of what a stream may carry are the same both ways.
  const { wrong } = readAnswers([written.subarray(preface.length)]);
  if (wrong !== null) throw new Finding(`the backend was sent ${wrong}`, came);
  const { bodies, ended } = streamsIn(came);
  askers.forEach((asker, i) => {
    const id = 2 * i + 1;
    if (asker.wrong !== null) throw new Finding(`request ${id} was told ${asker.wrong}`, came);
    if (asker.state !== 'ended' && asker.state !== 'failed') throw new Finding(`request ${id} hangs`, came);
    if (!(bodies.get(id) ?? '').startsWith(asker.body))
      throw new Finding(`request ${id} got ${JSON.stringify(asker.body)}`, came);
    if (asker.state === 'ended' && !ended.has(id))
      throw new Finding(`request ${id} ended, and its stream did not`, came);
  });
}

/** Bodies by stream, and which streams ended, of any frames at all: no rule is looked at. */
function streamsIn(bytes: Buffer): {
  readonly bodies: ReadonlyMap<number, string>;
  readonly ended: ReadonlySet<number>;
} {
  const bodies = new Map<number, string>();
  const ended = new Set<number>();
  new FrameReader().feed(bytes, 0, bytes.length, {
    isReading: true,
    onOversized: () => undefined,
    onFrame(type, flags, stream, payload, from, to) {
      if (type !== frameType.data && type !== frameType.headers) return;
      if ((flags & endStream) !== 0) ended.add(stream);
      if (type !== frameType.data) return;
      const isPadded = (flags & frameFlag.padded) !== 0;
      const padding = isPadded ? 1 + (payload[from] ?? 0) : 0;
      const start = from + (isPadded ? 1 : 0);
      const text = padding > to - from ? '' : payload.toString('latin1', start, start + to - from - padding);
      bodies.set(stream, (bodies.get(stream) ?? '') + text);
    },
  });
  return { bodies, ended };
}
