// One connection of an HTTP/1 client: reads heads and bodies, one exchange at a time, writes answers in order.
// States: head (waiting for a request or in the middle of one) → busy (an exchange is open) → head … → lingering (refused or answered
// early: what still comes is thrown away) → closed; or busy → switched (the socket is somebody else's).

import type { Socket } from 'node:net';
import { badFraming, BodyReader, type BodySink, noBytes } from './body-reader.ts';
import { BodyGate, heldBytes } from './body-gate.ts';
import { cutSocket } from './cut-socket.ts';
import { isHttp2Preface } from './http2-preface.ts';
import { linger } from './limits.ts';
import type { ConnectionFront } from './connection-front.ts';
import type { Deadline } from './deadlines.ts';
import type { ClientLoss, ExchangeHandler, Peer, Switched } from './exchange.ts';
import { formatLocalAnswer } from './local-answer.ts';
import type { Lease } from './read-buffers.ts';
import { FairReader } from './read-turns.ts';
import { RequestHead } from './request-head.ts';
import { ServerExchange } from './server-exchange.ts';
import { readShared, readStreaming } from './shared-reads.ts';
import { SocketWriter } from './socket-writer.ts';

export class ServerConnection extends FairReader implements Deadline, BodySink {
  deadlineAt: number;
  readonly socket: Socket;
  readonly peer: Peer;
  readonly head = new RequestHead();
  readonly body = new BodyReader();
  readonly front: ConnectionFront;
  readonly writer: SocketWriter;

  #state: 'head' | 'busy' | 'lingering' | 'closed' = 'head';
  #exchange: ServerExchange | null = null;
  #handler: ExchangeHandler | null = null;
  /** Bytes read and not yet looked at, or the beginning of a head. */
  #pending: Buffer | null = null;
  #headBegun = false;
  #running = false;
  #requests = 0;
  readonly #gate = new BodyGate();
  #endTold = false;
  #linger = 0;
  /** The client has ended its side. What it has asked for is answered as long as the answer goes on. */
  #ended = false;

  constructor(socket: Socket, peer: Peer, front: ConnectionFront) {
    super();
    this.socket = socket;
    this.peer = peer;
    this.front = front;
    this.writer = new SocketWriter(socket);
    this.deadlineAt = front.deadlines.in(front.timeouts.headerMs);
    front.deadlines.add(this);
    if (!readShared(socket, this.#onRead)) socket.on('data', this.#onData);
    socket.on('end', this.#onEnd).on('drain', this.#onDrain);
    socket.on('error', this.#onError).on('close', this.#onClose);
  }

  /** Whether the connection can take another request after the present one. */
  get persistent(): boolean {
    const { head, front } = this;
    if (!head.persistent || head.version === 10 || front.drainIdleMs !== null) return false;
    return this.#requests < front.limits.requestsPerConnection && !(this.#ended && this.#pending === null);
  }

  onDeadline(): void {
    if (this.#state === 'head' && this.#pending !== null) this.#refuse(408);
    else if (this.#state === 'busy') this.#onBusyDeadline();
    else this.destroy();
  }

  /** It ends after its next answer, or `idleMs` from now: closed at once, it would lose a request that is on its way. */
  drain(idleMs: number): void {
    if (this.#state !== 'head' || this.#pending !== null) return;
    this.deadlineAt = Math.min(this.deadlineAt, this.front.deadlines.in(idleMs));
  }

  /** Closes politely: what was written is sent first. */
  close(): void {
    this.#state = 'closed';
    this.#endSocket(this.front.timeouts.lingerMs);
  }

  destroy(): void {
    this.#lose('stopped');
    this.#state = 'closed';
    this.socket.destroy();
  }

  // What the exchange asks for.

  handle(handler: ExchangeHandler): void {
    this.#handler = handler;
  }

  resumeBody(): void {
    for (const bytes of this.#gate.open(this.front.deadlines.now)) this.#handler?.onRequestBody(bytes, 0, bytes.length);
    this.#tellEnd();
    if (this.#state !== 'busy') return;
    this.resumeReading(this.body.ended ? 0 : this.body.bytes);
    if (!this.body.ended) this.deadlineAt = this.front.deadlines.in(this.front.timeouts.bodyMs);
  }

  pauseBody(): void {
    this.#gate.close(this.front.deadlines.now);
    if (this.body.ended) return;
    this.deadlineAt = Infinity;
    this.socket.pause();
  }

  protected get takesMore(): boolean {
    return this.#state !== 'closed' && (this.#state !== 'busy' || (this.#gate.isOpen && !this.body.ended));
  }

  /** False: the client takes no more for now. */
  write(bytes: Buffer, from: number, to: number, lease: Lease | null): boolean {
    if (this.writer.write(bytes, from, to, lease)) {
      if (this.#ended) this.#awaitAnswer();
      return true;
    }
    this.deadlineAt = this.front.deadlines.in(this.front.timeouts.sendMs);
    return false;
  }

  /** The present exchange is over; `persistent` as its answer told the client. */
  finish(persistent: boolean): void {
    this.writer.flush();
    this.#exchange = null;
    this.#handler = null;
    if (!this.body.ended) {
      this.#startLinger(linger.bodyBytes, linger.bodyMs);
    } else if (!persistent || (this.#ended && this.#pending === null)) {
      this.close();
    } else {
      this.#state = 'head';
      // A drain may have begun after the answer's head promised more.
      this.deadlineAt = this.front.deadlines.in(this.front.drainIdleMs ?? this.front.timeouts.idleMs);
      if (this.socket.isPaused()) this.socket.resume();
      if (this.#pending !== null) this.#run();
    }
  }

  /** Cuts the connection so that the client sees that the answer is not whole. */
  abort(): void {
    this.#exchange = null;
    this.#handler = null;
    this.#state = 'closed';
    this.#reset();
  }

  switchProtocol(text: string): Switched {
    const { socket } = this;
    this.writer.gather(text);
    this.writer.flush();
    const early = this.#pending ?? noBytes;
    this.#exchange = null;
    this.#handler = null;
    this.#pending = null;
    this.#state = 'closed';
    socket.off('data', this.#onData).off('end', this.#onEnd).off('drain', this.#onDrain);
    socket.off('error', this.#onError).off('close', this.#onClose);
    socket.pause();
    readStreaming(socket);
    this.front.deadlines.remove(this);
    this.front.onClosed(this);
    return { socket, early };
  }

  // What the socket tells.

  /** A whole request without a body, which most are, needs no bytes of its own. */
  readonly #onRead = (count: number, shared: Buffer): void => {
    if (this.#state === 'head' && this.#pending === null) {
      const { head } = this;
      const end = head.parse(shared, 0, count, this.front.limits);
      if (end === count && !head.chunked && head.contentLength <= 0) {
        this.#begin(noBytes, 0);
        return;
      }
      head.reset();
    }
    if (this.#state === 'lingering') this.#throwAway(count);
    else this.#onData(Buffer.copyBytesFrom(shared, 0, count));
  };

  readonly #onData = (chunk: Buffer): void => {
    if (this.#state === 'lingering') {
      this.#throwAway(chunk.length);
      return;
    }
    if (this.#state === 'closed') return;
    if (this.#state === 'busy' && !this.body.ended) {
      const wantsMore = this.#feedBody(chunk, 0) && this.#gate.isOpen && !this.body.ended;
      if (wantsMore && this.mustWait(chunk.length, this.body.bytes)) this.socket.pause();
      return;
    }
    this.#pending = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    if (this.#state === 'head') this.#run();
    else if (this.#pending.length > heldBytes) this.socket.pause();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    if (this.#state === 'busy') {
      // A tunnel takes the end over when it opens; a switch of protocols could not be told of it.
      if (!this.body.ended || (this.head.upgrade !== '' && this.head.form !== 'authority')) this.#giveUp();
      else if (this.head.form !== 'authority') this.#awaitAnswer();
    } else if (this.#state === 'head' && this.#pending !== null) this.#refuse(400);
    else if (this.#state === 'lingering') this.socket.destroy();
    else this.socket.end();
  };

  readonly #onDrain = (): void => {
    if (this.#state !== 'busy') return;
    if (this.#ended) this.#awaitAnswer();
    else this.deadlineAt = Infinity;
    this.#handler?.onClientWritable();
  };

  readonly #onError = (): void => this.#giveUp();

  readonly #onClose = (): void => {
    this.front.deadlines.remove(this);
    this.front.onClosed(this);
    this.#lose('gone');
    this.#state = 'closed';
  };

  #throwAway(count: number): void {
    this.#linger -= count;
    if (this.#linger < 0) this.socket.destroy();
    else if (this.mustWait(count, Infinity)) this.socket.pause();
  }

  /** Deals with pending bytes, request by request; not recursively, however many were pipelined. */
  #run(): void {
    if (this.#running) return;
    this.#running = true;
    while (this.#state === 'head' && this.#pending !== null && this.#readHead(this.#pending));
    this.#running = false;
    if (!this.#ended || this.#state !== 'head') return;
    if (this.#pending === null) this.close();
    else this.#refuse(400);
  }

  /** False: more bytes are needed. */
  #readHead(bytes: Buffer): boolean {
    const { front, head } = this;
    let from = 0;
    if (!this.#headBegun) {
      // RFC 9112 §2.2: empty lines before a request are ignored.
      while (bytes[from] === 0x0d && bytes[from + 1] === 0x0a) from += 2;
      if (from === bytes.length || (bytes[from] === 0x0d && from + 1 === bytes.length)) {
        this.#pending = from === bytes.length ? null : bytes.subarray(from);
        return false;
      }
      this.#headBegun = true;
      this.deadlineAt = front.deadlines.in(front.timeouts.headerMs);
    }
    const end = head.parse(bytes, from, bytes.length, front.limits);
    if (end === 0) {
      this.#pending = from === 0 ? bytes : bytes.subarray(from);
      return false;
    }
    this.#headBegun = false;
    this.#pending = null;
    if (end < 0 && this.#requests === 0 && front.onHttp2 !== null && isHttp2Preface(bytes, from)) {
      this.#pending = bytes.subarray(from);
      front.onHttp2(this.switchProtocol(''), this.peer);
    } else if (end < 0) this.#refuse(-end);
    else this.#begin(bytes, end);
    return true;
  }

  #begin(bytes: Buffer, at: number): void {
    const { front, head, body } = this;
    const { bodyBytes } = front.limits;
    this.deadlineAt = Infinity;
    this.#requests++;
    this.#gate.reset();
    this.#endTold = false;
    if (head.contentLength > bodyBytes) {
      this.#refuse(413);
      return;
    }
    this.#state = 'busy';
    if (head.chunked) body.start('chunked', 0, false);
    else body.start(head.contentLength > 0 ? 'length' : 'none', head.contentLength, false);
    // What came with the head is looked at before anything is passed on: broken framing never reaches a backend.
    if (!this.#feedBody(bytes, at)) return;
    this.#exchange = new ServerExchange(this);
    front.onExchange(this.#exchange);
  }

  /** False: the framing was broken and the client has been told. */
  #feedBody(bytes: Buffer, from: number): boolean {
    const { body, front } = this;
    const end = body.feed(bytes, from, bytes.length, this);
    const { bodyBytes, bodyBytesPerSecond: least } = front.limits;
    if (end === badFraming || body.bytes > bodyBytes) {
      this.#breakOff(end === badFraming ? 400 : 413);
      return false;
    }
    if (this.#state !== 'busy') return true;
    if (end < bytes.length) this.#pending = end === 0 ? bytes : bytes.subarray(end);
    if (!body.ended && this.#gate.isOpen) {
      this.deadlineAt = front.deadlines.in(front.timeouts.bodyMs);
      if (least !== Infinity && this.#gate.isBelow(least, body.bytes, front.deadlines.now)) {
        this.#breakOff(408);
        return false;
      }
    }
    this.#tellEnd();
    if (this.#gate.bytes > heldBytes) this.socket.pause();
    return true;
  }

  /** Payload of the request body. */
  onBody(bytes: Buffer, from: number, to: number): void {
    if (this.#gate.isOpen) this.#handler?.onRequestBody(bytes, from, to);
    else this.#gate.keep(bytes.subarray(from, to));
  }

  #tellEnd(): void {
    if (!this.body.ended || !this.#gate.isOpen || this.#endTold) return;
    this.#endTold = true;
    if (this.#ended) this.#awaitAnswer();
    else if (this.deadlineAt !== Infinity && this.socket.writableLength === 0) this.deadlineAt = Infinity;
    this.#handler?.onRequestEnd(this.body.trailers);
  }

  // Ending badly.

  #onBusyDeadline(): void {
    if (!this.body.ended && this.#exchange !== null && !this.#exchange.answering) this.#breakOff(408);
    else {
      this.#lose(this.#ended ? 'gone' : 'timeout');
      this.socket.destroy();
    }
  }

  #awaitAnswer(): void {
    this.deadlineAt = this.front.deadlines.in(this.front.timeouts.endedMs);
  }

  #giveUp(): void {
    this.#lose('gone');
    this.socket.destroy();
  }

  /** The request turned bad in its body: the handler is told, the client too if no answer has begun. */
  #breakOff(status: number): void {
    const answering = this.#exchange?.answering === true;
    const handled = this.#handler !== null;
    this.#lose(status === 408 ? 'timeout' : status === 413 ? 'too-large' : 'bad-request');
    if (answering) this.#reset();
    else this.#refuse(status, handled);
  }

  #refuse(status: number, handled = false): void {
    const known = this.#state === 'busy' || status === 413 ? this.head : null;
    const answer = this.front.onRefused(status, known, this.peer, handled);
    this.writer.gather(formatLocalAnswer(answer, this.front.date(), false, 'Connection: close\r\n'));
    this.writer.flush();
    this.#startLinger(linger.refusedBytes, this.front.timeouts.lingerMs);
  }

  /** Half-closes and throws away what still comes, so that the answer is not lost to a reset (RFC 9112 §9.6). */
  #startLinger(bytes: number, ms: number): void {
    this.#state = 'lingering';
    this.#pending = null;
    this.#gate.reset();
    this.#linger = bytes;
    this.#endSocket(ms);
  }

  /** Half-closes; when all is sent, the client has `ms` to close its side. */
  #endSocket(ms: number): void {
    const { front, socket } = this;
    if (socket.isPaused()) socket.resume();
    this.deadlineAt = front.deadlines.in(front.timeouts.sendMs);
    socket.end(() => {
      if (!socket.destroyed) this.deadlineAt = front.deadlines.in(ms);
    });
  }

  #lose(loss: ClientLoss): void {
    const { exchange, handler } = { exchange: this.#exchange, handler: this.#handler };
    this.#exchange = null;
    this.#handler = null;
    exchange?.detach();
    handler?.onClientLost(loss);
  }

  #reset(): void {
    this.#state = 'closed';
    this.writer.discard();
    cutSocket(this.socket);
  }
}
