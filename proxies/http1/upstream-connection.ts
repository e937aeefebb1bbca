// One connection to a backend: writes requests, reads answers, one at a time. Knows nothing of routes and retries.

import { connect, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { messageOf } from '../../src/runtime/index.ts';
import { badFraming, BodyReader, type BodySink } from './body-reader.ts';
import type { Deadline, Deadlines } from './deadlines.ts';
import type { FieldList } from './field-list.ts';
import { trailerDrops } from './hop-by-hop.ts';
import { latin1 } from './latin1.ts';
import type { UpstreamLimits, UpstreamTimeouts } from './limits.ts';
import { type Lease, sharedBuffer, takeLease } from './read-buffers.ts';
import { FairReader } from './read-turns.ts';
import { ResponseHead } from './response-head.ts';
import type { UpstreamCall, UpstreamFailureReason, UpstreamUser } from './upstream-user.ts';

/** Bodies up to this are appended to the head's string: one write, and the copy is cheaper than a second buffer. */
const appendBytes = 16 * 1024;

/** Smaller reads are over before they could keep anybody waiting. */
const bulkBytes = 16 * 1024;

export interface ConnectionOwner {
  readonly limits: UpstreamLimits;
  readonly deadlines: Deadlines;
  /** The connection is up and its user may begin. */
  onOpen(connection: UpstreamConnection): void;
  /** The answer was read to its end and nothing speaks against another request. */
  onIdle(connection: UpstreamConnection): void;
  onClosed(connection: UpstreamConnection): void;
}

export interface UpstreamAddress {
  readonly host: string;
  readonly port: number;
}

export class UpstreamConnection extends FairReader implements Deadline, BodySink, UpstreamCall {
  deadlineAt = Infinity;
  /** Whether it carried a request before the present one. */
  reused = false;
  /** Whose request it carries; null while idle. */
  user: UpstreamUser | null;
  readonly head = new ResponseHead();
  readonly socket: Socket;
  /** Whether it may carry another request after the present one. */
  keeps = true;
  /** Of the present request's target. */
  timeouts: UpstreamTimeouts;
  /** For how long it may lie idle, as the backend said or by default. */
  idleMs: number;

  readonly #owner: ConnectionOwner;
  readonly #body = new BodyReader();
  #open = false;
  #closed = false;
  #lease: Lease | null = null;
  #bulk = false;
  #pending: Buffer | null = null;
  #method = '';
  #upgrade = '';
  #chunked = false;
  #requestSent = true;
  #headSeen = true;
  #paused = false;
  /** Reading was ended by what `onRead` returned: cheaper by far than to pause the stream, in whose queue nothing lies. */
  #stopped = false;
  #unsent = '';
  /** Whether something of the present request was written, and whether the kernel took none of it. */
  #written = false;
  #untaken = false;

  /**
   * Connects to an address, or takes over a socket that somebody else connects or has connected (through a parent proxy, in TLS). With
   * `upgradable` a 101 hands the socket over, which reading into buffers of our own would prevent.
   */
  constructor(
    target: UpstreamAddress | Socket,
    user: UpstreamUser,
    owner: ConnectionOwner,
    upgradable: boolean,
    timeouts: UpstreamTimeouts,
  ) {
    super();
    this.#owner = owner;
    this.user = user;
    this.timeouts = timeouts;
    this.idleMs = timeouts.idleMs;
    this.socket = target instanceof Socket ? target : this.#connect(target, upgradable);
    if (target instanceof Socket || upgradable) this.socket.on('data', this.#onData);
    this.socket.on('end', this.#onEnd).on('drain', this.#onDrain).on('error', this.#onError).on('close', this.#onClose);
    owner.deadlines.add(this);
    this.deadlineAt = owner.deadlines.in(this.timeouts.connectMs);
    if (this.socket.connecting)
      this.socket.once(this.socket instanceof TLSSocket ? 'secureConnect' : 'connect', this.#onConnect);
    else setImmediate(this.#onConnect);
  }

  #connect(address: UpstreamAddress, upgradable: boolean): Socket {
    const options = { host: address.host, port: address.port, noDelay: true, allowHalfOpen: upgradable };
    if (upgradable) return connect(options);
    const callback = (count: number, bytes: Uint8Array): boolean => this.#onRead(count, bytes as Buffer);
    return connect({ ...options, onread: { buffer: () => this.#nextBuffer(), callback } });
  }

  /** Gives an idle connection its next request. */
  assign(user: UpstreamUser, timeouts: UpstreamTimeouts): void {
    this.user = user;
    this.timeouts = timeouts;
    this.reused = true;
    this.deadlineAt = Infinity;
  }

  /**
   * Gathers a request's head: `head` is the whole of it. It goes out with the first bytes of the body or by `flush`. `chunked`: the body is
   * written in chunks of our own. `upgrade`: the protocol that a 101 may switch to, '' for none; only on upgradable connections.
   */
  sendHead(head: string, method: string, chunked: boolean, upgrade: string): void {
    this.#method = method;
    this.#chunked = chunked;
    this.#upgrade = upgrade;
    this.#requestSent = false;
    this.#headSeen = false;
    this.#written = false;
    this.#unsent = head;
  }

  /** Part of the request body. False: stop until `onUpstreamWritable`. */
  sendBody(bytes: Buffer, from: number, to: number): boolean {
    const length = to - from;
    if (length === 0) return true;
    const { socket } = this;
    if (this.#unsent !== '' && length <= appendBytes) {
      const text = latin1(bytes, from, to);
      this.#unsent += this.#chunked ? `${length.toString(16)}\r\n${text}\r\n` : text;
      if (this.#unsent.length < appendBytes) return true;
      this.flush();
    } else {
      socket.cork();
      this.flush();
      if (this.#chunked) socket.write(`${length.toString(16)}\r\n`, 'latin1');
      socket.write(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
      if (this.#chunked) socket.write('\r\n', 'latin1');
      socket.uncork();
    }
    if (socket.writableLength < socket.writableHighWaterMark) return true;
    this.deadlineAt = this.#owner.deadlines.in(this.timeouts.answerMs);
    return false;
  }

  /** The request is complete. */
  endRequest(trailers: FieldList | null): void {
    if (this.#chunked) this.#unsent += `0\r\n${trailers === null ? '' : trailers.kept(trailerDrops, null)}\r\n`;
    this.#requestSent = true;
    this.flush();
    if (!this.#headSeen) this.deadlineAt = this.#owner.deadlines.in(this.timeouts.responseMs);
  }

  flush(): void {
    if (this.#unsent === '') return;
    const { socket } = this;
    socket.write(this.#unsent, 'latin1');
    this.#unsent = '';
    if (this.#written) return;
    this.#written = true;
    // Set within the call where a reset was there before the first byte.
    this.#untaken = socket.errored !== null;
  }

  /** Reads on after `onAnswerBody` returned false. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.deadlineAt = this.#owner.deadlines.in(this.timeouts.answerMs);
    this.resumeReading(this.#body.bytes);
  }

  protected get takesMore(): boolean {
    return !this.#paused;
  }

  protected override get isStopped(): boolean {
    return this.#stopped;
  }

  protected override readAgain(): void {
    this.#stopped = false;
    this.socket.resume();
  }

  /** Ends it at once; its user hears nothing more. */
  destroy(): void {
    this.user = null;
    this.deadlineAt = Infinity;
    this.socket.destroy();
  }

  onDeadline(): void {
    if (this.user === null) this.destroy();
    else if (!this.#open) this.#fail('connect-timeout', `no connection within ${this.timeouts.connectMs} ms`);
    else if (!this.#headSeen) this.#fail('response-timeout', `no answer within ${this.timeouts.responseMs} ms`);
    else this.#fail('answer-timeout', `the answer paused for ${this.timeouts.answerMs} ms`);
  }

  onBody(bytes: Buffer, from: number, to: number): void {
    const lease = this.#lease !== null && bytes === this.#lease.bytes ? this.#lease : null;
    if (this.user?.onAnswerBody(bytes, from, to, lease) === false) this.#paused = true;
  }

  readonly #onConnect = (): void => {
    if (this.#open || this.socket.destroyed) return;
    this.#open = true;
    this.deadlineAt = Infinity;
    this.#owner.onOpen(this);
  };

  readonly #onData = (bytes: Buffer): void => {
    if (!this.#onRead(bytes.length, bytes)) this.socket.pause();
  };

  readonly #onDrain = (): void => {
    if (this.#requestSent || this.user === null) return;
    this.deadlineAt = Infinity;
    this.user.onUpstreamWritable();
  };

  readonly #onError = (error: Error): void => this.#fail(this.#open ? 'reset' : 'connect', messageOf(error));

  /** Bulk reads go into a leased buffer, a new one each time, as the last may still be on its way out. */
  #nextBuffer(): Buffer {
    this.#lease?.letGo();
    this.#lease = this.#bulk ? takeLease() : null;
    return this.#lease?.bytes ?? sharedBuffer;
  }

  #onRead(count: number, buffer: Buffer): boolean {
    const { user } = this;
    if (user === null) {
      // What nobody asked for would be taken for the answer to the next request.
      this.destroy();
      return false;
    }
    this.#bulk = this.#bulk ? count >= buffer.length / 8 : count === buffer.length;
    if (this.#pending === null) this.#consume(buffer, count);
    else {
      const joined = Buffer.concat([this.#pending, buffer.subarray(0, count)]);
      this.#pending = null;
      this.#consume(joined, joined.length);
    }
    user.onReadEnd();
    this.#stopped =
      this.#paused || (this.user === user && count >= bulkBytes && this.mustWait(count, this.#body.bytes));
    return !this.#stopped;
  }

  #consume(bytes: Buffer, to: number): void {
    let at = 0;
    while (!this.#headSeen) {
      const end = this.head.parse(bytes, at, to, this.#method, this.#owner.limits);
      if (end === 0) {
        this.#pending = Buffer.from(bytes.subarray(at, to));
        return;
      }
      if (end < 0) {
        this.#fail('bad-answer', 'the head of the answer is no valid HTTP/1.1');
        return;
      }
      at = end;
      if (this.head.status === 101) {
        this.#switch(bytes.subarray(at, to));
        return;
      }
      this.#takeHead();
      if (this.user === null) return;
    }
    at = this.#body.feed(bytes, at, to, this);
    if (at === badFraming) {
      this.#fail('bad-answer', 'the chunks of the answer are broken');
      return;
    }
    if (this.user === null) return;
    if (this.#body.ended) this.#finish(at < to);
    else if (!this.#paused) this.deadlineAt = this.#owner.deadlines.in(this.timeouts.answerMs);
    else this.deadlineAt = Infinity;
  }

  #takeHead(): void {
    const { head, user } = this;
    if (head.status < 200) {
      user?.onInformational(head);
      return;
    }
    this.#headSeen = true;
    this.deadlineAt = Infinity;
    this.#body.start(head.framing, head.contentLength, user?.onAnswer(head) === true);
  }

  /** Lets go of the socket where the user asked for the protocol that the backend switched to. */
  #switch(early: Buffer): void {
    const { user, socket } = this;
    if (user === null) return;
    if (this.#upgrade === '' || this.head.upgrade !== this.#upgrade) {
      this.#fail('bad-answer', 'switched to a protocol that was not asked for');
      return;
    }
    this.user = null;
    socket.off('data', this.#onData).off('end', this.#onEnd).off('drain', this.#onDrain);
    socket.off('error', this.#onError).off('close', this.#onClose);
    socket.pause();
    this.#leave();
    user.onSwitched(this.head, socket, early);
  }

  #leave(): void {
    this.#closed = true;
    this.deadlineAt = Infinity;
    this.#lease?.letGo();
    this.#lease = null;
    this.#owner.deadlines.remove(this);
    this.#owner.onClosed(this);
  }

  #finish(hasMore: boolean): void {
    const { user } = this;
    this.user = null;
    const isReusable = this.head.persistent && this.#requestSent && !hasMore && !this.socket.destroyed;
    this.deadlineAt = Infinity;
    this.#paused = false;
    this.#bulk = false;
    if (isReusable) {
      const told = this.head.keepAliveSeconds;
      this.idleMs = told < 0 ? this.timeouts.idleMs : Math.min(this.timeouts.idleMs, Math.max(1, told - 1) * 1000);
      this.#owner.onIdle(this);
    } else this.socket.destroy();
    user?.onAnswerEnd(this.#body.trailers);
  }

  readonly #onEnd = (): void => {
    if (this.user !== null && this.#headSeen && this.#body.endsWithConnection && !this.#body.ended) {
      const { user } = this;
      this.user = null;
      this.socket.destroy();
      user.onAnswerEnd(null);
    } else this.#fail('reset', this.#headSeen ? 'closed in the middle of an answer' : 'closed before an answer');
  };

  #fail(reason: UpstreamFailureReason, message: string): void {
    const { user } = this;
    this.user = null;
    this.deadlineAt = Infinity;
    this.socket.destroy();
    user?.onUpstreamFailed({ reason, message, isUnsent: this.#untaken });
  }

  readonly #onClose = (): void => {
    if (this.#closed) return;
    this.#leave();
    this.#fail(this.#open ? 'reset' : 'connect', 'closed');
  };
}
