// One request at a backend that speaks HTTP/2, and its answer. It is the call that handlers see; once it is over it does nothing.
//
// States (RFC 9113 §5.1): idle (no id yet) → open → our side ends (`#requestSent`) and the backend's (`#remoteEnded`) → left.

import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import type {
  FieldList,
  ResponseHead,
  UpstreamCall,
  UpstreamFailure,
  UpstreamTimeouts,
  UpstreamUser,
} from '../http1/index.ts';
import { encodeTrailers } from './answer-fields.ts';
import { errorCode, frameType, initialWindow } from './frame-words.ts';
import type { Priority } from './priority.ts';
import { StreamSender, type SenderOwner } from './stream-sender.ts';
import type { UpstreamHost } from './upstream-host.ts';
import { encodeRequest } from './upstream-request.ts';
import { UpstreamTunnel } from './upstream-tunnel.ts';

export class UpstreamStream implements UpstreamCall, SenderOwner {
  /** 0 until the head is sent. */
  id = 0;
  deadlineAt = Infinity;
  reused: boolean;
  /** Of the request, as the answer's framing depends on it. */
  method = '';
  /** Null until the head is sent. */
  sender: StreamSender | null = null;
  /** Whether `onReadEnd` is to come. */
  isTouched = false;

  readonly #host: UpstreamHost;
  #user: UpstreamUser | null;
  #upgrade = '';
  #key = '';
  #responseMs: number;
  #answerMs: number;
  #hasLeft = false;
  #requestSent = false;
  #headSeen = false;
  #remoteEnded = false;
  #informational = 0;
  #isTunnel = false;
  #isPaused = false;
  /** What is to come of the answer's body; Infinity where nobody knows. */
  #left = Infinity;
  #trailers: FieldList | null = null;
  /** Of the answer, while its user pauses. */
  #kept: Buffer[] = [];
  #keptBytes = 0;
  /** What the backend may still send. */
  #window = initialWindow;

  constructor(host: UpstreamHost, user: UpstreamUser, timeouts: UpstreamTimeouts, reused: boolean) {
    this.#host = host;
    this.#user = user;
    this.#responseMs = timeouts.responseMs;
    this.#answerMs = timeouts.answerMs;
    this.reused = reused;
  }

  /** Whether the head of the final answer has come. */
  get headSeen(): boolean {
    return this.#headSeen;
  }

  get remoteEnded(): boolean {
    return this.#remoteEnded;
  }

  sendHead(head: string, method: string, _chunked: boolean, upgrade: string): void {
    if (this.#hasLeft || this.id !== 0) return;
    const host = this.#host;
    this.method = method;
    this.#upgrade = upgrade;
    this.id = host.open(this);
    this.sender = new StreamSender(this.id, host.streamWindow, byTurns, host.schedule, this);
    const { isGrpc, deadlineMs, key } = encodeRequest(host.encoder, head, host.isSecure, upgrade);
    this.#key = key;
    if (isGrpc) {
      // Its streams may be silent for hours, and a call that has a deadline is given that long.
      this.#answerMs = 0;
      if (deadlineMs > 0) this.#responseMs = deadlineMs;
    }
    host.output.headers(this.id, host.encoder.bytes, host.encoder.length, false, host.mostFrameBytes);
  }

  sendBody(bytes: Buffer, from: number, to: number): boolean {
    if (this.#hasLeft || from === to || this.sender === null) return true;
    if (this.sender.write(bytes, from, to, null)) return true;
    this.#wait(this.#answerMs);
    return false;
  }

  endRequest(trailers: FieldList | null): void {
    if (this.#hasLeft) return;
    // The stream of a handshake stays open: it is to be the tunnel.
    if (this.#upgrade === '') this.sender?.end(trailers);
    else this.#wait(this.#responseMs);
  }

  /** Frames leave at the end of the turn by themselves. */
  flush(): void {
    this.#host.output.schedule();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    while (!this.#isPaused && this.#kept.length > 0) {
      const bytes = this.#kept.shift() as Buffer;
      this.#keptBytes -= bytes.length;
      this.#give(bytes, 0, bytes.length);
    }
    if (this.#remoteEnded && this.#kept.length === 0) this.#finish();
    else if (!this.#isPaused) this.#wait(this.#answerMs);
    this.#user?.onReadEnd();
  }

  destroy(): void {
    this.#user = null;
    this.#leave(this.id === 0 ? null : errorCode.cancel);
  }

  // What the connection tells.

  /** A head that is valid for the request; `ends`: nothing follows. False: it is one too many. */
  onHead(head: ResponseHead, ends: boolean): boolean {
    if (head.status < 200) {
      this.#user?.onInformational(head);
      return ++this.#informational <= this.#host.limits.informational;
    }
    this.#headSeen = true;
    this.deadlineAt = Infinity;
    if (this.#upgrade !== '' && head.status < 300) {
      this.#switch(head);
      return true;
    }
    this.#left = head.framing === 'close' ? Infinity : head.framing === 'length' ? head.contentLength : 0;
    if (isEventStream(head)) this.#answerMs = 0;
    this.#user?.onAnswer(head);
    if (ends) this.onEnd(null);
    else if (!this.#isPaused) this.#wait(this.#answerMs);
    return true;
  }

  /** DATA without its padding. False: more, or less, than was announced. */
  onData(bytes: Buffer, from: number, to: number, ends: boolean): boolean {
    const length = to - from;
    this.#left -= length;
    if (this.#left < 0 || (ends && this.#left > 0 && this.#left !== Infinity)) {
      this.#host.credit(length);
      return false;
    }
    if (length > 0) {
      if (this.#isPaused) {
        this.#kept.push(Buffer.copyBytesFrom(bytes, from, length));
        this.#keptBytes += length;
      } else this.#give(bytes, from, to);
    }
    if (ends) this.onEnd(null);
    return true;
  }

  /** The backend's side ends. False: less came than was announced. */
  onEnd(trailers: FieldList | null): boolean {
    if (this.#left > 0 && this.#left !== Infinity) return false;
    this.#remoteEnded = true;
    this.#trailers = trailers;
    this.deadlineAt = Infinity;
    if (this.#kept.length === 0) this.#finish();
    return true;
  }

  /** Takes `length` octets off the receiving window; false: the backend did not keep to it. */
  spend(length: number): boolean {
    this.#window -= length;
    return this.#window >= 0;
  }

  /** Padding needs no reader. */
  creditPadding(length: number): void {
    if (length > 0) this.#consumed(length);
  }

  /** All that one read brought has been told. */
  onReadEnd(): void {
    this.isTouched = false;
    this.#user?.onReadEnd();
  }

  /** The backend did nothing with the request, and says so (RFC 9113 §8.7). One that has begun to answer is not believed. */
  refused(message: string): void {
    const isUnsent = !this.#headSeen;
    this.reused ||= isUnsent;
    this.fail({ reason: 'reset', message, isUnsent }, null);
  }

  /** Ends the request; with a code the stream is reset. What has come whole is still handed on. */
  fail(failure: UpstreamFailure, code: number | null): void {
    if (this.#hasLeft || (this.#remoteEnded && !this.#isTunnel)) return;
    const user = this.#user;
    this.#user = null;
    this.#leave(code);
    user?.onUpstreamFailed(failure);
  }

  onDeadline(): void {
    const failure: UpstreamFailure = this.#headSeen
      ? { reason: 'answer-timeout', message: `the answer paused for ${this.#answerMs} ms` }
      : { reason: 'response-timeout', message: `no answer within ${this.#responseMs} ms` };
    this.fail(failure, errorCode.cancel);
  }

  // What the sender tells.

  onDrained(): void {
    this.deadlineAt = Infinity;
    if (this.#headSeen && !this.#isPaused) this.#wait(this.#answerMs);
    this.#user?.onUpstreamWritable();
  }

  onProgress(): void {
    this.#wait(this.#answerMs);
  }

  onEnding(trailers: FieldList | null): void {
    const { encoder, output, mostFrameBytes } = this.#host;
    if (trailers !== null) encodeTrailers(encoder, trailers);
    if (trailers === null || encoder.length === 0) output.end(this.id);
    else output.headers(this.id, encoder.bytes, encoder.length, true, mostFrameBytes);
    this.#requestSent = true;
    if (this.#isTunnel && this.#remoteEnded) this.#leave(null);
    else if (!this.#headSeen) this.#wait(this.#responseMs);
  }

  /** Ends our side of a tunnel. */
  endTunnel(): void {
    this.sender?.end(null);
  }

  #switch(head: ResponseHead): void {
    const user = this.#user;
    this.#answerMs = 0;
    this.#isTunnel = true;
    const tunnel = new UpstreamTunnel(this);
    this.#user = tunnel;
    user?.onSwitched(switchedHead(head, this.#key), tunnel.socket as unknown as Socket, noBytes);
  }

  #give(bytes: Buffer, from: number, to: number): void {
    if (this.#user?.onAnswerBody(bytes, from, to, null) === false) {
      this.#isPaused = true;
      this.deadlineAt = Infinity;
    } else if (!this.#hasLeft) this.#wait(this.#answerMs);
    this.#consumed(to - from);
  }

  /** Gives windows back, in few frames. */
  #consumed(length: number): void {
    const host = this.#host;
    host.credit(length);
    if (this.#remoteEnded || this.#hasLeft) return;
    const share = host.windowShare();
    const more = share - this.#keptBytes - this.#window;
    if (more < share / 2) return;
    this.#window += more;
    host.output.number(frameType.windowUpdate, this.id, more);
  }

  /** All of the answer is told. What we have not sent yet is of no use any more (RFC 9113 §8.1). */
  #finish(): void {
    const user = this.#user;
    if (this.#isTunnel && !this.#requestSent) {
      user?.onAnswerEnd(null);
      return;
    }
    this.#user = null;
    this.#leave(this.#requestSent ? null : errorCode.cancel);
    user?.onAnswerEnd(this.#trailers);
  }

  #leave(code: number | null): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.deadlineAt = Infinity;
    this.sender?.discard();
    this.#kept = [];
    if (this.#keptBytes > 0) this.#host.credit(this.#keptBytes);
    this.#keptBytes = 0;
    this.#host.leave(this, code);
  }

  #wait(ms: number): void {
    this.deadlineAt = this.#host.deadlines.in(ms);
    this.#host.watch(this.deadlineAt);
  }
}

const noBytes: Buffer = Buffer.alloc(0);

/** Requests share a connection alike. */
const byTurns: Priority = { urgency: 3, incremental: true };

const isEventStream = ({ fields }: ResponseHead): boolean =>
  fields.get('content-type')?.startsWith('text/event-stream') === true;

const websocketGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** RFC 8441 §5 the other way: the answer to a handshake of HTTP/1 that a 2xx of HTTP/2 stands for. */
function switchedHead(head: ResponseHead, key: string): ResponseHead {
  const { fields } = head;
  const line = 'HTTP/1.1 101 Switching Protocols\r\n';
  const accept = createHash('sha1').update(`${key}${websocketGuid}`).digest('base64');
  const moved = line.length - (head.reasonEnd + 2);
  fields.text = `${line}${fields.text.slice(head.reasonEnd + 2)}Sec-WebSocket-Accept: ${accept}\r\n`;
  for (const offsets of [fields.nameStarts, fields.nameEnds, fields.valueStarts, fields.valueEnds])
    for (let i = 0; i < fields.count; i++) offsets[i] = (offsets[i] as number) + moved;
  const start = fields.count === 0 ? line.length : fields.end + moved;
  fields.add(0, start, start + 20, start + 22, fields.text.length - 2, fields.text.length);
  head.status = 101;
  head.upgrade = 'websocket';
  head.framing = 'none';
  head.reasonEnd = line.length - 2;
  return head;
}
