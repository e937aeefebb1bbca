// The streams of a connection: opens them by their header blocks, feeds them, and judges frames by the state of the stream they are on
// (RFC 9113 §5.1).

import { type ClientLoss, sharedBuffer } from '../http1/index.ts';
import { ClosedStreams } from './closed-streams.ts';
import type { Flood } from './flood-guard.ts';
import { errorCode, frameFlag, frameType, initialWindow, mostWindow } from './frame-words.ts';
import { HeaderBlocks, withoutPadding } from './header-blocks.ts';
import { HpackDecoder, type FieldSink } from './hpack-decoder.ts';
import { Http2Request, Http2Trailers, malformed, noAuthority } from './http2-request.ts';
import { Http2Stream } from './http2-stream.ts';
import type { FaultReason, StreamHost } from './stream-host.ts';

/** What the table needs of its connection. */
export interface StreamOwner extends StreamHost {
  /** Ends the connection for a rule that the client broke. */
  fault(reason: FaultReason, code: number): void;
  /** False: the client did this too often, and the connection has ended. */
  bears(kind: Flood): boolean;
}

export class StreamTable {
  /** The highest id that a client has opened. */
  lastStream = 0;
  /** Streams beyond are not taken; Infinity until a drain. */
  mostStream = Infinity;
  /** What the client may still send on the connection. */
  window: number;
  /** What new streams may send before their client says more. */
  streamWindow = initialWindow;
  /** When the block under way is late. */
  blockAt = Infinity;
  readonly #owner: StreamOwner;
  readonly #decoder = new HpackDecoder();
  readonly #blocks = new HeaderBlocks();
  readonly #streams = new Map<number, Http2Stream>();
  readonly #closed = new ClosedStreams();
  readonly #lastAuthority = noAuthority();

  constructor(owner: StreamOwner) {
    this.#owner = owner;
    this.window = owner.front.limits.connectionWindowBytes;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Whose header block is under way; 0: none is. */
  get blockStream(): number {
    return this.#blocks.stream;
  }

  get(id: number): Http2Stream | undefined {
    return this.#streams.get(id);
  }

  all(): Iterable<Http2Stream> {
    return this.#streams.values();
  }

  /** Takes a stream out; with a code it was reset by us. False: it was not there. */
  remove(id: number, wasReset: boolean): boolean {
    if (wasReset) this.#closed.addReset(id);
    return this.#streams.delete(id);
  }

  /** All streams end: the connection is gone. */
  loseAll(loss: ClientLoss): void {
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.onLost(loss);
  }

  onData(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id === 0) return this.#owner.fault('protocol', errorCode.protocol);
    const ends = (flags & frameFlag.endStream) !== 0;
    const body = withoutPadding(flags, bytes, from, to);
    if (body.from < 0) return this.#owner.fault('protocol', errorCode.protocol);
    const { from: start, to: end } = body;
    const length = to - from;
    this.window -= length;
    if (this.window < 0) return this.#owner.fault('flow-control', errorCode.flowControl);
    if (start === end && !ends && !this.#owner.bears('empty')) return;
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.remoteEnded) {
      this.#owner.credit(length);
      this.#onStrayFrame(id, stream);
      return;
    }
    if (!stream.spend(length)) {
      this.#owner.credit(length);
      this.reset(stream, errorCode.flowControl);
      return;
    }
    stream.onData(bytes, start, end, ends, bytes === sharedBuffer);
    stream.creditPadding(length - (end - start));
  }

  onHeaders(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id % 2 === 0) return this.#owner.fault('protocol', errorCode.protocol);
    const { from: unpaddedFrom, to: end } = withoutPadding(flags, bytes, from, to);
    let start = unpaddedFrom;
    let dependsOnItself = false;
    if (start >= 0 && (flags & frameFlag.priority) !== 0) {
      if (end - start < 5) return this.#owner.fault('frame-size', errorCode.frameSize);
      dependsOnItself = (bytes.readUInt32BE(start) & mostWindow) === id;
      start += 5;
    }
    if (start < 0) return this.#owner.fault('protocol', errorCode.protocol);
    const ends = (flags & frameFlag.endStream) !== 0;
    if ((flags & frameFlag.endHeaders) !== 0) {
      this.#onBlock(id, ends, dependsOnItself, bytes, start, end);
      return;
    }
    this.#blocks.begin(id, ends, dependsOnItself, Buffer.copyBytesFrom(bytes, start, end - start));
    this.blockAt = this.#owner.front.deadlines.in(this.#owner.front.timeouts.headerMs);
    this.#owner.watch(this.blockAt);
  }

  onContinuation(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const blocks = this.#blocks;
    if (blocks.stream === 0 || id !== blocks.stream) return this.#owner.fault('protocol', errorCode.protocol);
    const { headerListBytes, blockFrames } = this.#owner.front.limits;
    if (!blocks.add(Buffer.copyBytesFrom(bytes, from, to - from), headerListBytes, blockFrames)) {
      return this.#owner.fault('continuation-flood', errorCode.enhanceYourCalm);
    }
    if ((flags & frameFlag.endHeaders) === 0) return;
    this.blockAt = Infinity;
    const block = blocks.take();
    this.#onBlock(id, blocks.ends, blocks.dependsOnItself, block, 0, block.length);
  }

  /** A whole header block: a request, its trailers, or one that is refused and yet decoded, as the table depends on it. */
  #onBlock(id: number, ends: boolean, dependsOnItself: boolean, bytes: Buffer, from: number, to: number): void {
    const stream = this.#streams.get(id);
    if (id > this.lastStream) this.#onRequest(id, ends, dependsOnItself, bytes, from, to);
    else if (stream !== undefined && !stream.remoteEnded) this.#onTrailers(stream, ends, bytes, from, to);
    else if (this.#decode(bytes, from, to)) {
      if (stream === undefined && this.#closed.wasSkipped(id)) this.#owner.fault('protocol', errorCode.protocol);
      else this.#onStrayFrame(id, stream);
    }
  }

  #onRequest(id: number, ends: boolean, dependsOnItself: boolean, bytes: Buffer, from: number, to: number): void {
    const { limits } = this.#owner.front;
    this.#closed.opened(this.lastStream, id);
    this.lastStream = id;
    const request = new Http2Request();
    request.begin(limits);
    if (!this.#decode(bytes, from, to, request)) return;
    // RFC 9113 §6.8: what comes behind the last stream of a GOAWAY was told to go elsewhere.
    if (id > this.mostStream) return;
    if (this.#streams.size >= limits.streams) return this.#refuseStream(id, errorCode.refusedStream, 'refused');
    if (dependsOnItself) return this.#refuseStream(id, errorCode.protocol, 'malformed');
    const isTooLarge = this.#decoder.listBytes > limits.headerListBytes;
    const verdict = isTooLarge ? 431 : request.finish(ends, limits, this.#lastAuthority);
    if (verdict === malformed) {
      this.#owner.front.onRefused(400, null, this.#owner.peer, false);
      return this.#refuseStream(id, errorCode.protocol, 'malformed');
    }
    const stream = new Http2Stream(id, this.#owner, request, ends, this.streamWindow);
    this.#streams.set(id, stream);
    if (verdict !== 0) stream.refuse(verdict, 'bad-request');
    else if (request.contentLength > limits.bodyBytes) stream.refuse(413, 'too-large');
    else this.#owner.front.onExchange(stream);
  }

  #onTrailers(stream: Http2Stream, ends: boolean, bytes: Buffer, from: number, to: number): void {
    const trailers = new Http2Trailers(this.#owner.front.limits);
    if (!this.#decode(bytes, from, to, trailers)) return;
    const isBroken =
      !ends || trailers.isMalformed || this.#decoder.listBytes > this.#owner.front.limits.headerListBytes;
    if (isBroken) this.reset(stream, errorCode.protocol);
    else stream.onTrailers(trailers.fields);
  }

  /** False: the connection has ended. */
  #decode(bytes: Buffer, from: number, to: number, sink: FieldSink = nobody): boolean {
    if (this.#decoder.decode(bytes, from, to, sink, this.#owner.front.limits.headerListBytes)) return true;
    this.#owner.fault('compression', errorCode.compression);
    return false;
  }

  /** DATA or HEADERS where the client had ended the stream, or it is not open (RFC 9113 §5.1). */
  #onStrayFrame(id: number, stream: Http2Stream | undefined): void {
    if (stream !== undefined) this.reset(stream, errorCode.streamClosed);
    else if (id > this.lastStream) this.#owner.fault('protocol', errorCode.protocol);
    else if (!this.#closed.wasReset(id)) this.#owner.fault('stream-closed', errorCode.streamClosed);
  }

  onReset(id: number, length: number): void {
    if (id === 0 || id > this.lastStream) return this.#owner.fault('protocol', errorCode.protocol);
    if (length !== 4) return this.#owner.fault('frame-size', errorCode.frameSize);
    if (!this.#owner.bears('reset')) return;
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    stream.onLost('gone');
    this.#owner.leave(id, null);
  }

  #refuseStream(id: number, code: number, reason: 'refused' | 'malformed'): void {
    this.#owner.output.number(frameType.rstStream, id, code);
    this.#closed.addReset(id);
    this.#owner.front.onStreamReset(reason);
    // A client that makes us reset streams does what one does that resets them.
    this.#owner.bears('reset');
  }

  /** The stream ends for what its client did. */
  reset(stream: Http2Stream, code: number): void {
    stream.reset(code, resetReasons[code] ?? 'malformed', 'bad-request');
    this.#owner.bears('reset');
  }
}

const nobody: FieldSink = { onField: () => undefined };

const resetReasons: Readonly<Record<number, 'flow-control' | 'closed'>> = {
  [errorCode.flowControl]: 'flow-control',
  [errorCode.streamClosed]: 'closed',
};
