// Three masters without sockets: what calls to them bring, torn, cut, lost, doubled and swapped as the simulation wishes.

import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { FakeCluster } from '../../src/fakes/index.ts';
import type { SourceEvent } from '../../src/fakes/index.ts';
import { traitsOf } from '../../src/fakes/mesos-version.ts';
import { encodeRecord } from '../../src/fakes/recordio.ts';
import { responseParts, subscribedParts, toJson } from '../../src/fakes/snapshot-json.ts';
import type { Call } from '../../src/orchestrator/mesos/call.ts';
import type { Random } from '../../src/runtime/index.ts';
import type { VirtualTime } from './virtual-time.ts';

export const masterUrls = ['http://10.9.0.1:5050', 'http://10.9.0.2:5050', 'http://10.9.0.3:5050'] as const;

/** Shares of events, from 0 to 1. */
export interface StreamFaults {
  lost: number;
  doubled: number;
  swapped: number;
  torn: number;
}

const traits = { ...traitsOf('1.11'), texts: new WeakMap<object, string>() };
/** Beyond one string's length at 100,000 tasks: bodies are written in pieces. */
const pieceLength = 1024 * 1024;
const heartbeatMs = 15_000;
const settledMs = 60_000;
const json = { 'content-type': 'application/json' };

export class SimMasters {
  readonly #cluster: FakeCluster;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #streams = new Set<SimStream>();
  readonly faults: StreamFaults = { lost: 0, doubled: 0, swapped: 0, torn: 0 };
  /** Null: an election is under way. */
  leader: number | null = 0;
  readonly down = new Set<number>();
  /** What readings of the whole bring instead. */
  answers: 'whole' | 'cut' | 'not-json' | 'html' | 'busy' = 'whole';
  withoutRights = false;
  /** Readings of the whole and streams that were begun so far. */
  readings = 0;
  subscriptions = 0;
  /** When a master took over, or an agent came back to it, last. */
  tookOverAt = -Infinity;

  constructor(cluster: FakeCluster, time: VirtualTime, random: Random) {
    this.#cluster = cluster;
    this.#time = time;
    this.#random = random;
  }

  readonly open = async (call: Call): Promise<IncomingMessage> => {
    await Promise.resolve();
    this.#time.stir();
    if (call.signal.aborted) throw new Error('aborted');
    const index = masterUrls.findIndex((url) => new URL(url).host === call.url.host);
    if (index < 0 || this.down.has(index)) throw new Error('ECONNREFUSED');
    if (this.leader === null) return this.#reply(call, 503, {}, 'No leader elected');
    if (index !== this.leader) {
      const location = `//${new URL(masterUrls[this.leader] as string).host}${call.url.pathname}`;
      return this.#reply(call, 307, { location }, '');
    }
    if (call.body?.includes('SUBSCRIBE') === true) return this.#subscribe(call);
    if (call.body?.includes('GET_MASTER') === true) return this.#reply(call, 501, {}, '');
    return this.#state(call);
  };

  /** Ends all streams as a dying master does, or leaves them without a byte. */
  breakStreams(how: 'reset' | 'end' | 'cut' | 'garbage' | 'half-open'): void {
    for (const stream of [...this.#streams]) {
      if (how === 'half-open') stream.silence();
      else this.#finish(stream, how);
    }
  }

  close(): void {
    for (const stream of this.#streams) this.#finish(stream, 'end');
  }

  #finish(stream: SimStream, how: 'reset' | 'end' | 'cut' | 'garbage'): void {
    if (how === 'cut') stream.write(Buffer.from('900\n{"type":"TASK_ADD'));
    if (how === 'garbage') stream.write(Buffer.from('12x\n{}'));
    if (how === 'reset') stream.body.destroy(new Error('ECONNRESET'));
    else stream.body.push(null);
    stream.stop();
    this.#streams.delete(stream);
  }

  #view(): ReturnType<FakeCluster['view']> {
    const view = this.#cluster.view();
    return this.withoutRights ? { ...view, tasks: [], unreachableTasks: [], executors: [], frameworks: [] } : view;
  }

  #state(call: Call): IncomingMessage {
    const whole = (): Generator<Buffer> => piecesOf(responseParts('get_state', this.#view(), traits));
    this.readings++;
    switch (this.answers) {
      case 'whole':
        return this.#response(call, 200, json, Readable.from(whole()));
      case 'cut':
        return this.#response(call, 200, json, Readable.from(halfOf([...whole()])));
      case 'not-json':
        return this.#reply(call, 200, json, '{"get_state": oops');
      case 'html':
        return this.#reply(call, 200, { 'content-type': 'text/html' }, '<html>');
      case 'busy':
        return this.#reply(call, 503, {}, 'busy');
    }
  }

  #subscribe(call: Call): IncomingMessage {
    const stream = new SimStream(this.#time, this.#random, this.faults);
    this.#streams.add(stream);
    this.subscriptions++;
    const pieces = [...piecesOf(subscribedParts(this.#view(), traits, heartbeatMs / 1000))];
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    stream.write(Buffer.from(`${length}\n`));
    for (const piece of pieces) stream.write(piece);
    stream.follow(this.#cluster, this.withoutRights, () => this.tookOverAt);
    return this.#response(call, 200, json, stream.body);
  }

  #reply(call: Call, status: number, headers: Record<string, string>, text: string): IncomingMessage {
    return this.#response(call, status, headers, Readable.from([Buffer.from(text)]));
  }

  #response(call: Call, statusCode: number, headers: Record<string, string>, body: Readable): IncomingMessage {
    body.on('error', () => undefined);
    call.signal.addEventListener('abort', () => body.destroy(), { once: true });
    const socket = { remoteAddress: call.url.hostname };
    return Object.assign(body, { statusCode, headers, socket }) as unknown as IncomingMessage;
  }
}

function* piecesOf(parts: Iterable<string>): Generator<Buffer> {
  let text = '';
  for (const part of parts) {
    text += part;
    if (text.length < pieceLength) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

function halfOf(pieces: readonly Buffer[]): readonly Buffer[] {
  const [first] = pieces;
  return pieces.length === 1 && first !== undefined
    ? [first.subarray(0, first.length / 2)]
    : pieces.slice(0, pieces.length / 2);
}

class SimStream {
  /** In object mode each push is a chunk of its own, as torn as it was written. */
  readonly body = new Readable({ objectMode: true, read: () => undefined });
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #faults: StreamFaults;
  #held: { readonly subject: string; readonly bytes: Buffer } | null = null;
  #isSilent = false;
  #stops: (() => void)[] = [];

  constructor(time: VirtualTime, random: Random, faults: StreamFaults) {
    this.#time = time;
    this.#random = random;
    this.#faults = faults;
    this.body.once('close', () => this.stop());
  }

  /** Rights are looked at once, when the stream begins, as masters do since 1.10. */
  follow(cluster: FakeCluster, withoutRights: boolean, tookOverAt: () => number): void {
    const beat = (): void => {
      this.write(encodeRecord('{"type":"HEARTBEAT"}'));
      this.#stops[1] = this.#time.fakeClock.after(heartbeatMs, beat);
    };
    // While a master takes over, what it does not tell is taken for gone after ten seconds: there TCP must be trusted.
    const mayLose = (): boolean => this.#time.clock.now() - tookOverAt() > settledMs && !cluster.awaitsAgents();
    const tell = (event: SourceEvent): void => this.#tell(event, withoutRights, mayLose());
    this.#stops = [cluster.onEvent(tell), () => undefined];
    beat();
  }

  silence(): void {
    this.#isSilent = true;
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  write(bytes: Buffer): void {
    if (this.#isSilent || this.body.destroyed) return;
    this.#time.stir();
    if (this.#random() >= this.#faults.torn) return void this.body.push(bytes);
    for (let at = 0; at < bytes.length;) {
      const size = 1 + Math.floor(this.#random() * Math.min(400 + bytes.length / 1000, bytes.length));
      this.body.push(bytes.subarray(at, at + size));
      at += size;
    }
  }

  #tell({ event }: SourceEvent, withoutRights: boolean, mayLose: boolean): void {
    if (event === undefined || (withoutRights && !event.type.startsWith('AGENT'))) return;
    const text = toJson(event, traits);
    const bytes = encodeRecord(text);
    const held = this.#held;
    this.#held = null;
    if (mayLose && this.#random() < this.#faults.lost) return void (held !== null && this.write(held.bytes));
    // Two words on one thing keep their order, as a master's do.
    if (held === null && this.#random() < this.#faults.swapped) {
      this.#held = { subject: subjectOf(text), bytes };
      this.#time.fakeClock.after(1, () => this.#release());
      return;
    }
    const isSame = held !== null && held.subject === subjectOf(text);
    if (held !== null && isSame) this.write(held.bytes);
    this.write(bytes);
    if (held !== null && !isSame) this.write(held.bytes);
    if (this.#random() < this.#faults.doubled) this.write(bytes);
  }

  #release(): void {
    if (this.#held !== null) this.write(this.#held.bytes);
    this.#held = null;
  }
}

function subjectOf(text: string): string {
  return /"task_id":\{"value":"([^"]+)"/.exec(text)?.[1] ?? 'cluster';
}
