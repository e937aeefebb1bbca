// The streams of a connection to a backend: feeds them what it sends, and judges frames by the state of the stream they are on
// (RFC 9113 §5.1).

import type { FloodGuard } from './flood-guard.ts';
import { errorCode, frameFlag, initialWindow, mostWindow } from './frame-words.ts';
import { HeaderBlocks, withoutPadding } from './header-blocks.ts';
import { HpackDecoder, type FieldSink } from './hpack-decoder.ts';
import { Http2Trailers } from './http2-request.ts';
import { UpstreamAnswer } from './upstream-answer.ts';
import type { UpstreamHost } from './upstream-host.ts';
import type { UpstreamStream } from './upstream-stream.ts';

/** What the table needs of its connection. */
export interface TableOwner extends UpstreamHost {
  /** Of `UpstreamLimits`. */
  readonly mostFields: number;
  /** Ends the connection for a rule that the backend broke. */
  fault(message: string, code: number): void;
  /** A stream was refused though the settings allow as many. */
  onRefused(): void;
  /** False: the backend did this too often, and the connection has ended. */
  bears(kind: Parameters<FloodGuard['allows']>[0]): boolean;
}

export class UpstreamTable {
  /** The id of the next stream. */
  nextId = 1;
  /** What the backend may still send on the connection. */
  window: number;
  /** What new streams may be sent before the backend says more. */
  streamWindow = initialWindow;
  /** When the block under way is late. */
  blockAt = Infinity;
  readonly #owner: TableOwner;
  readonly #decoder = new HpackDecoder();
  readonly #blocks = new HeaderBlocks();
  readonly #answer = new UpstreamAnswer();
  readonly #streams = new Map<number, UpstreamStream>();
  /** Streams that heard something in this read. */
  readonly #touched: UpstreamStream[] = [];

  constructor(owner: TableOwner) {
    this.#owner = owner;
    this.window = owner.limits.connectionWindowBytes;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Whose header block is under way; 0: none is. */
  get blockStream(): number {
    return this.#blocks.stream;
  }

  get(id: number): UpstreamStream | undefined {
    return this.#streams.get(id);
  }

  all(): Iterable<UpstreamStream> {
    return this.#streams.values();
  }

  add(stream: UpstreamStream): number {
    const id = this.nextId;
    this.nextId += 2;
    this.#streams.set(id, stream);
    return id;
  }

  remove(id: number): void {
    this.#streams.delete(id);
  }

  /** Takes out, and gives, the streams that the backend says it did nothing with. */
  takeBeyond(last: number): readonly UpstreamStream[] {
    const beyond = [...this.#streams.values()].filter(({ id }) => id > last);
    for (const { id } of beyond) this.#streams.delete(id);
    return beyond;
  }

  /** To be called when all of a read has been fed. */
  endRead(): void {
    for (let stream = this.#touched.pop(); stream !== undefined; stream = this.#touched.pop()) stream.onReadEnd();
  }

  onData(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const ends = (flags & frameFlag.endStream) !== 0;
    const { from: start, to: end } = withoutPadding(flags, bytes, from, to);
    if (id === 0 || start < 0) return this.#owner.fault('DATA that no stream can have', errorCode.protocol);
    const length = to - from;
    this.window -= length;
    if (this.window < 0) return this.#owner.fault('more DATA than the window allows', errorCode.flowControl);
    if (start === end && !ends && !this.#owner.bears('empty')) return;
    const stream = this.#openStream(id);
    if (stream === undefined || stream.remoteEnded || !stream.headSeen) {
      this.#owner.credit(length);
      if (stream?.headSeen === false) this.#refuse(stream, 'DATA before the head of the answer');
      return;
    }
    if (!stream.spend(length)) {
      this.#owner.credit(length);
      this.#refuse(stream, 'more DATA than the window of the stream allows', errorCode.flowControl);
      return;
    }
    this.#touch(stream);
    if (stream.onData(bytes, start, end, ends)) stream.creditPadding(length - (end - start));
    else this.#refuse(stream, 'DATA of another length than announced');
  }

  onHeaders(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const { from: unpaddedFrom, to: end } = withoutPadding(flags, bytes, from, to);
    const start = unpaddedFrom + ((flags & frameFlag.priority) !== 0 ? 5 : 0);
    if (id === 0 || unpaddedFrom < 0 || start > end)
      return this.#owner.fault('HEADERS that no stream can have', errorCode.protocol);
    const ends = (flags & frameFlag.endStream) !== 0;
    if ((flags & frameFlag.endHeaders) !== 0) {
      this.#onBlock(id, ends, bytes, start, end);
      return;
    }
    this.#blocks.begin(id, ends, false, Buffer.copyBytesFrom(bytes, start, end - start));
    this.blockAt = this.#owner.deadlines.in(this.#owner.limits.blockMs);
    this.#owner.watch(this.blockAt);
  }

  onContinuation(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const blocks = this.#blocks;
    if (blocks.stream === 0) return this.#owner.fault('CONTINUATION without HEADERS', errorCode.protocol);
    const { headerListBytes, blockFrames } = this.#owner.limits;
    if (!blocks.add(Buffer.copyBytesFrom(bytes, from, to - from), headerListBytes, blockFrames))
      return this.#owner.fault('a header block without end', errorCode.enhanceYourCalm);
    if ((flags & frameFlag.endHeaders) === 0) return;
    this.blockAt = Infinity;
    const block = blocks.take();
    this.#onBlock(id, blocks.ends, block, 0, block.length);
  }

  onReset(id: number, code: number): void {
    const stream = this.#openStream(id);
    if (stream === undefined) return;
    this.#streams.delete(id);
    if (code === errorCode.refusedStream && !stream.headSeen) {
      this.#owner.onRefused();
      stream.refused('the backend refused the stream');
    } else stream.fail({ reason: 'reset', message: `the backend reset the stream with code ${code}` }, null);
  }

  /** The stream ends for what its backend did. */
  #refuse(stream: UpstreamStream, message: string, code: number = errorCode.protocol): void {
    stream.fail({ reason: 'bad-answer', message }, code);
  }

  /** A whole header block: a head of an answer, trailers, or of nobody, and yet decoded, as the table depends on it. */
  #onBlock(id: number, ends: boolean, bytes: Buffer, from: number, to: number): void {
    const stream = this.#openStream(id);
    if (stream === undefined || stream.remoteEnded) this.#decode(bytes, from, to, nobody);
    else if (stream.headSeen) this.#onTrailers(stream, ends, bytes, from, to);
    else this.#onHead(stream, ends, bytes, from, to);
  }

  #onHead(stream: UpstreamStream, ends: boolean, bytes: Buffer, from: number, to: number): void {
    const answer = this.#answer;
    answer.begin(this.#owner.mostFields);
    if (!this.#decode(bytes, from, to, answer)) return;
    this.#touch(stream);
    if (this.#isTooLarge()) this.#refuse(stream, 'the head of the answer is too large');
    else if (!answer.finish(stream.method, ends)) this.#refuse(stream, 'the head of the answer is no valid HTTP/2');
    else if (!stream.onHead(answer.head, ends)) this.#refuse(stream, 'too many 1xx before the answer');
  }

  #onTrailers(stream: UpstreamStream, ends: boolean, bytes: Buffer, from: number, to: number): void {
    const trailers = new Http2Trailers({ fields: this.#owner.mostFields });
    if (!this.#decode(bytes, from, to, trailers)) return;
    this.#touch(stream);
    const isBroken = !ends || trailers.isMalformed || this.#isTooLarge();
    if (isBroken || !stream.onEnd(trailers.fields.count === 0 ? null : trailers.fields))
      this.#refuse(stream, 'the trailers of the answer are broken');
  }

  #isTooLarge(): boolean {
    return this.#decoder.listBytes > this.#owner.limits.headerListBytes;
  }

  /** False: the connection has ended. */
  #decode(bytes: Buffer, from: number, to: number, sink: FieldSink): boolean {
    if (this.#decoder.decode(bytes, from, to, sink, this.#owner.limits.headerListBytes)) return true;
    this.#owner.fault('a header block that cannot be decoded', errorCode.compression);
    return false;
  }

  /** Undefined where it is not open any more; one that we never opened ends the connection. */
  #openStream(id: number): UpstreamStream | undefined {
    const isIdle = id % 2 === 0 || id >= this.nextId;
    if (isIdle) this.#owner.fault('a frame of a stream that nobody opened', errorCode.protocol);
    return isIdle ? undefined : this.#streams.get(id);
  }

  #touch(stream: UpstreamStream): void {
    if (stream.isTouched) return;
    stream.isTouched = true;
    this.#touched.push(stream);
  }

  /** WINDOW_UPDATE of a stream. */
  onWindow(id: number, more: number): void {
    const stream = this.#openStream(id);
    const sender = stream?.sender;
    if (stream === undefined || sender === undefined || sender === null) return;
    if (more === 0) return this.#refuse(stream, 'a window opened by nothing');
    if (sender.window + more > mostWindow)
      return this.#refuse(stream, 'a window beyond what one can be', errorCode.flowControl);
    sender.window += more;
    this.#owner.schedule.wake(sender);
  }
}

const nobody: FieldSink = { onField: () => undefined };
