// One stream: a request, its body, its answer. It is the exchange that handlers see; when that has ended its calls do nothing.
//
// States (RFC 9113 §5.1): open → the client's side ends (END_STREAM) and ours ends (END_STREAM) → left. A reset of either side leaves at once.

import type { Socket } from 'node:net';
import { linger } from '../http1/index.ts';
import type {
  AnswerChange,
  ClientLoss,
  Exchange,
  ExchangeHandler,
  FieldList,
  Lease,
  LocalAnswer,
  Peer,
  ResponseHead,
  Switched,
} from '../http1/index.ts';
import { encodeAnswer, encodeInformational, encodeLocalAnswer, encodeTrailers } from './answer-fields.ts';
import { errorCode, frameType, initialWindow } from './frame-words.ts';
import { grpcAnswer, silenceMs } from './grpc.ts';
import type { Http2Request } from './http2-request.ts';
import { parsePriority, unsaidPriority } from './priority.ts';
import type { StreamHost, StreamReason } from './stream-host.ts';
import { StreamSender, type SenderOwner } from './stream-sender.ts';
import { StreamTunnel } from './stream-tunnel.ts';

export class Http2Stream implements Exchange, SenderOwner {
  readonly id: number;
  readonly request: Http2Request;
  readonly sender: StreamSender;
  deadlineAt = Infinity;
  bytesSent = 0;
  bytesReceived = 0;
  /** Whether an answer has begun. */
  answering = false;
  /** The client has ended its side. */
  remoteEnded: boolean;
  readonly #host: StreamHost;
  readonly #isHandshake: boolean;
  readonly #bodyMs: number;
  #handler: ExchangeHandler | null = null;
  #isOver = false;
  #hasLeft = false;
  #isTunnel = false;
  #isOpen = false;
  /** The answer is out, and the client still sends: for so long, and so much. */
  #lingers = false;
  #lingerBytes: number = linger.bodyBytes;
  #lingerMs: number = linger.bodyMs;
  #endTold = false;
  #trailers: FieldList | null = null;
  /** Of the body, where nobody wanted it yet. */
  #kept: Buffer[] = [];
  #keptBytes = 0;
  /** What the client may still send. */
  #window = initialWindow;

  constructor(id: number, host: StreamHost, request: Http2Request, ended: boolean, window: number) {
    this.id = id;
    this.#host = host;
    this.request = request;
    this.remoteEnded = ended;
    this.#isHandshake = request.upgrade !== '';
    this.#bodyMs = ended ? 0 : silenceMs(request.fields, host.front.timeouts.bodyMs);
    const priority = request.priority === '' ? unsaidPriority : parsePriority(request.priority);
    this.sender = new StreamSender(id, window, priority, host.schedule, this);
  }

  get peer(): Peer {
    return this.#host.peer;
  }

  get bodyRead(): boolean {
    return this.remoteEnded || (this.#isHandshake && !this.#isTunnel);
  }

  handle(handler: ExchangeHandler): void {
    if (!this.#isOver) this.#handler = handler;
  }

  /** A handshake's stream carries no body: its DATA is the tunnel's. */
  resumeBody(): void {
    if (this.#isHandshake && !this.#isTunnel) {
      this.#tellEnd();
      return;
    }
    this.#isOpen = true;
    while (this.#isOpen && this.#kept.length > 0) {
      const bytes = this.#kept.shift() as Buffer;
      this.#keep(-bytes.length);
      this.#handler?.onRequestBody(bytes, 0, bytes.length);
      this.#consumed(bytes.length);
    }
    if (!this.#isOpen) return;
    if (this.remoteEnded) this.#tellEnd();
    else if (!this.#isTunnel && !this.sender.isWaiting) this.#wait(this.#bodyMs);
  }

  pauseBody(): void {
    this.#isOpen = false;
    if (!this.sender.isWaiting) this.deadlineAt = Infinity;
  }

  sendContinue(): void {
    if (this.#isOver || this.answering || this.bodyRead) return;
    const { encoder } = this.#host;
    encoder.begin();
    encoder.status(100);
    this.#sendHead(false);
  }

  respond(plain: LocalAnswer): void {
    if (this.#isOver || this.answering) return;
    const answer = grpcAnswer(plain, this.request.fields);
    const { encoder, front } = this.#host;
    const body = Buffer.from(answer.body, 'utf8');
    const { status } = answer;
    const isBodyless = this.request.method === 'HEAD' || status < 200 || status === 204 || status === 304;
    this.answering = true;
    encodeLocalAnswer(encoder, answer, body.length, front.date());
    this.#sendHead(false);
    if (!isBodyless && body.length > 0) this.writeAnswer(body, 0, body.length, null);
    this.endAnswer(null);
  }

  relayInformational(head: ResponseHead): void {
    if (this.#isOver || this.answering || head.status === 102) return;
    encodeInformational(this.#host.encoder, head);
    this.#sendHead(false);
  }

  startAnswer(head: ResponseHead, extra: string, change?: AnswerChange): boolean {
    if (this.#isOver || this.answering) return false;
    this.answering = true;
    // On a handshake's stream a 2xx would mean that the tunnel is there (RFC 8441 §5).
    const status = this.#isHandshake && head.status < 300 ? 502 : head.status;
    encodeAnswer(this.#host.encoder, head, status, extra, this.#host.front.date(), change ?? null);
    this.#sendHead(false);
    return false;
  }

  writeAnswer(bytes: Buffer, from: number, to: number, lease: Lease | null): boolean {
    if (this.#isOver) return true;
    this.bytesSent += to - from;
    if (from === to || this.sender.write(bytes, from, to, lease)) return true;
    if (!this.#isTunnel) this.#wait(this.#host.front.timeouts.sendMs);
    this.#host.checkHeld();
    return false;
  }

  endAnswer(trailers: FieldList | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handler = null;
    this.sender.end(trailers);
  }

  /** Frames leave at the end of the turn by themselves. */
  flush(): void {
    this.#host.output.schedule();
  }

  abort(): void {
    this.reset(errorCode.internal, 'aborted');
  }

  switchProtocol(): Switched {
    throw new Error('a stream cannot leave its connection');
  }

  acceptUpgrade(head: ResponseHead, extra: string): Switched {
    this.answering = true;
    const change: AnswerChange = { gone: acceptFields, recoded: true };
    encodeAnswer(this.#host.encoder, head, 200, extra, this.#host.front.date(), change);
    this.#sendHead(false);
    this.#isTunnel = true;
    this.#endTold = false;
    this.deadlineAt = Infinity;
    const tunnel = new StreamTunnel(this);
    this.#handler = tunnel;
    // It has what tunnels use of a socket.
    return { socket: tunnel as unknown as Socket, early: noBytes };
  }

  // What the connection tells.

  /** DATA without its padding; `isLent`: the octets are gone when the call returns. */
  onData(bytes: Buffer, from: number, to: number, ends: boolean, isLent: boolean): void {
    const length = to - from;
    if (this.#lingers) {
      this.#onLate(length, ends);
      return;
    }
    this.bytesReceived += length;
    const { contentLength } = this.request;
    if (contentLength >= 0 && (this.bytesReceived > contentLength || (ends && this.bytesReceived < contentLength))) {
      this.#host.credit(length);
      this.reset(errorCode.protocol, 'malformed', 'bad-request');
      return;
    }
    if (this.bytesReceived > this.#host.front.limits.bodyBytes && !this.#isTunnel) {
      this.#host.credit(length);
      this.refuse(413, 'too-large');
      return;
    }
    if (ends) this.remoteEnded = true;
    if (this.#isOver) this.#host.credit(length);
    else if (length > 0) this.#take(bytes, from, to, isLent);
    if (ends && this.#isOpen) this.#tellEnd();
  }

  /** The client ends its side with fields. */
  onTrailers(fields: FieldList): void {
    if (this.#lingers) {
      this.#leave(null);
      return;
    }
    const { contentLength } = this.request;
    if (contentLength >= 0 && this.bytesReceived !== contentLength) {
      this.reset(errorCode.protocol, 'malformed', 'bad-request');
      return;
    }
    this.remoteEnded = true;
    this.#trailers = fields.count === 0 ? null : fields;
    if (this.#isOpen) this.#tellEnd();
  }

  /** Takes `length` octets off the receiving window; false: the client did not keep to it. */
  spend(length: number): boolean {
    this.#window -= length;
    return this.#window >= 0;
  }

  /** Padding needs no reader. */
  creditPadding(length: number): void {
    if (length > 0) this.#consumed(length);
  }

  /** The client has reset the stream, or the connection is gone. */
  onLost(loss: ClientLoss): void {
    this.#clear();
    this.#lose(loss);
  }

  onDeadline(): void {
    if (this.#lingers) this.#leave(errorCode.none);
    else if (this.sender.isWaiting) this.reset(errorCode.cancel, 'stalled', 'timeout');
    else if (this.remoteEnded || !this.#isOpen) return;
    else if (this.answering) this.reset(errorCode.cancel, 'stalled', 'timeout');
    else this.refuse(408, 'timeout');
  }

  /** Answers a request whose form or body is refused; its handler hears that the client is lost. */
  refuse(status: number, loss: ClientLoss): void {
    if (this.answering) {
      this.reset(errorCode.cancel, 'aborted', loss);
      return;
    }
    const handled = this.#handler !== null;
    this.#lingerBytes = linger.refusedBytes;
    this.#lingerMs = this.#host.front.timeouts.lingerMs;
    const handler = this.#handler;
    this.#handler = null;
    handler?.onClientLost(loss);
    this.respond(this.#host.front.onRefused(status, this.request, this.peer, handled));
  }

  /** Resets the stream; its handler hears of it where there is a `loss`. */
  reset(code: number, reason: StreamReason, loss: ClientLoss | null = null): void {
    if (this.#hasLeft) return;
    this.#clear();
    this.#host.front.onStreamReset(reason);
    this.#host.leave(this.id, code);
    if (loss === null) {
      this.#isOver = true;
      this.#handler = null;
    } else this.#lose(loss);
  }

  // What the sender tells.

  onDrained(): void {
    this.deadlineAt = Infinity;
    if (this.#isOpen && !this.remoteEnded && !this.#isTunnel) this.#wait(this.#bodyMs);
    this.#handler?.onClientWritable();
  }

  onProgress(): void {
    if (!this.#isTunnel) this.#wait(this.#host.front.timeouts.sendMs);
  }

  onEnding(trailers: FieldList | null): void {
    const { encoder, output } = this.#host;
    if (trailers === null) output.end(this.id);
    else {
      encodeTrailers(encoder, trailers);
      if (encoder.length === 0) output.end(this.id);
      else this.#sendHead(true);
    }
    if (this.remoteEnded) {
      this.#leave(null);
      return;
    }
    // What the client still sends is of no use, but some take a reset for the loss of their answer (specs/l7.md §3.8).
    this.#lingers = true;
    this.#isOpen = false;
    this.#lingerBytes -= this.#keptBytes;
    this.#dropKept();
    this.#wait(this.#lingerMs);
  }

  /** Throws away what comes behind the answer, for a while (RFC 9113 §8.1). */
  #onLate(length: number, ends: boolean): void {
    this.#lingerBytes -= length;
    this.#consumed(length);
    if (ends) this.#leave(null);
    else if (this.#lingerBytes < 0) this.#leave(errorCode.none);
  }

  #leave(code: number | null): void {
    this.#clear();
    this.#host.leave(this.id, code);
  }

  #sendHead(ends: boolean): void {
    const { encoder, output, mostFrameBytes } = this.#host;
    output.headers(this.id, encoder.bytes, encoder.length, ends, mostFrameBytes);
  }

  #take(bytes: Buffer, from: number, to: number, isLent: boolean): void {
    const length = to - from;
    if (!this.#isOpen || this.#handler === null) {
      this.#kept.push(Buffer.copyBytesFrom(bytes, from, length));
      this.#keep(length);
      this.#host.checkHeld();
      return;
    }
    if (!this.#isTunnel && !this.sender.isWaiting) this.#wait(this.#bodyMs);
    if (isLent) this.#handler.onRequestBody(Buffer.copyBytesFrom(bytes, from, length), 0, length);
    else this.#handler.onRequestBody(bytes, from, to);
    this.#consumed(length);
  }

  /** Gives windows back, in few frames. */
  #consumed(length: number): void {
    this.#host.credit(length);
    if (this.remoteEnded || this.#hasLeft) return;
    const share = this.#host.windowShare();
    const more = share - this.#keptBytes - this.#window;
    if (more < share / 2) return;
    this.#window += more;
    this.#host.output.number(frameType.windowUpdate, this.id, more);
  }

  #tellEnd(): void {
    if (this.#endTold) return;
    this.#endTold = true;
    if (!this.sender.isWaiting) this.deadlineAt = Infinity;
    this.#handler?.onRequestEnd(this.#trailers);
  }

  #lose(loss: ClientLoss): void {
    const handler = this.#handler;
    this.#isOver = true;
    this.#handler = null;
    handler?.onClientLost(loss);
  }

  /** Nothing more is sent or kept. */
  #clear(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.deadlineAt = Infinity;
    this.sender.discard();
    this.#dropKept();
  }

  #dropKept(): void {
    this.#kept = [];
    if (this.#keptBytes === 0) return;
    this.#host.credit(this.#keptBytes);
    this.#keep(-this.#keptBytes);
  }

  #keep(bytes: number): void {
    this.#keptBytes += bytes;
    this.#host.keep(bytes);
  }

  #wait(ms: number): void {
    this.deadlineAt = this.#host.front.deadlines.in(ms);
    this.#host.watch(this.deadlineAt);
  }
}

const noBytes: Buffer = Buffer.alloc(0);
/** Of no meaning over a stream (RFC 8441 §5). */
const acceptFields: ReadonlySet<string> = new Set(['sec-websocket-accept']);
