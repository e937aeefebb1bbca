// One connection to a backend that speaks HTTP/2: settings, windows, PING and GOAWAY, and the streams that share it.
//
// States: connecting → greeting (our preface is out) → open (its SETTINGS have come) → leaving (no more streams) → closing (GOAWAY is out,
// or the rules are broken) → closed. Nothing is asked before `open`: what speaks no HTTP/2 has seen no request.

import { connect, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { messageOf } from '../../src/runtime/index.ts';
import {
  sharedBuffer,
  type Deadline,
  type UpstreamFailure,
  type UpstreamFailureReason,
  type UpstreamTarget,
  type UpstreamTimeouts,
  type UpstreamUser,
} from '../http1/index.ts';
import { type Flood, FloodGuard, floodReasons } from './flood-guard.ts';
import { FrameOutput } from './frame-output.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import {
  errorCode,
  frameFlag,
  frameType,
  initialWindow,
  leastFrameBytes,
  mostWindow,
  preface,
  setting,
} from './frame-words.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { applySettings, type PeerSettings } from './peer-settings.ts';
import { SendSchedule } from './send-schedule.ts';
import type { UpstreamOwner } from './upstream-host.ts';
import { controlFault } from './upstream-control.ts';
import { UpstreamPulse } from './upstream-pulse.ts';
import { UpstreamStream } from './upstream-stream.ts';
import { UpstreamTable, type TableOwner } from './upstream-table.ts';

/** How much of the connection's window is gathered before it is given back. */
const creditBytes = 256 * 1024;
/** For a backend to close after our GOAWAY. */
const lingerMs = 1_000;
/** Frames of control that may wait in the socket of a backend that reads nothing. */
const mostUnreadBytes = 4 * 1024 * 1024;
/** Kernels look for peers that have vanished from here on. */
const keepAliveMs = 30_000;
/** Ids end with 2³¹-1. */
const mostId = mostWindow - 2;

export class UpstreamConnection implements Deadline, FrameSink, PeerSettings, TableOwner {
  deadlineAt: number;
  readonly encoder = new HpackEncoder();
  readonly output: FrameOutput;
  readonly schedule: SendSchedule;
  readonly isSecure: boolean;
  mostFrameBytes = leastFrameBytes;
  readonly server = { mostStreams: mostWindow, connectProtocol: false };
  /** Calls that were given out and are not over. */
  active = 0;
  /** Calls given out ever. */
  served = 0;

  readonly #owner: UpstreamOwner;
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #table: UpstreamTable;
  readonly #flood: FloodGuard;
  readonly #connectMs: number;
  #state: 'connecting' | 'greeting' | 'open' | 'leaving' | 'closing' | 'closed' = 'connecting';
  /** Learnt from a stream that was refused: fewer than the backend's settings say. */
  #learnt = Infinity;
  #freed = 0;
  #idleAt = Infinity;
  readonly #pulse: UpstreamPulse;

  constructor(target: UpstreamTarget, owner: UpstreamOwner) {
    this.#owner = owner;
    this.#connectMs = (target.timeouts ?? owner.timeouts).connectMs;
    const { deadlines } = owner;
    const socket = (this.#socket = target.http2?.dial?.() ?? this.#connect(target));
    this.isSecure = socket instanceof TLSSocket;
    this.output = new FrameOutput(socket);
    this.#flood = new FloodGuard({ burst: 0, perSecond: 0 }, false, deadlines.now);
    this.schedule = new SendSchedule(this.output, () => this.#flood.sent());
    this.#table = new UpstreamTable(this);
    if (target.http2?.dial !== undefined) socket.on('data', (bytes: Buffer) => this.#onRead(bytes.length, bytes));
    socket.on('end', this.#onEnd).on('drain', this.#onDrain).on('error', this.#onError).on('close', this.#onClose);
    this.#pulse = new UpstreamPulse(owner.http2, deadlines.now);
    deadlines.add(this);
    this.deadlineAt = deadlines.in(this.#connectMs);
    socket.once(this.isSecure ? 'secureConnect' : 'connect', () => this.#greet());
  }

  get limits(): UpstreamOwner['http2'] {
    return this.#owner.http2;
  }

  get deadlines(): UpstreamOwner['deadlines'] {
    return this.#owner.deadlines;
  }

  get mostFields(): number {
    return this.#owner.limits.fields;
  }

  get streamWindow(): number {
    return this.#table.streamWindow;
  }

  get isReading(): boolean {
    return this.#state === 'greeting' || this.#state === 'open' || this.#state === 'leaving';
  }

  get isConnecting(): boolean {
    return this.#state === 'connecting' || this.#state === 'greeting';
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** How many more calls may be given out now. */
  get room(): number {
    if (this.#state !== 'open') return 0;
    return Math.min(this.server.mostStreams, this.limits.streamsPerConnection, this.#learnt) - this.active;
  }

  /** A call for a request; `user` is to be told. */
  begin(user: UpstreamUser, timeouts: UpstreamTimeouts): UpstreamStream {
    this.#idleAt = Infinity;
    this.active++;
    return new UpstreamStream(this, user, timeouts, this.served++ > 0);
  }

  /** Takes no more streams; ends with the last one. */
  leaveSoon(): void {
    if (this.#state === 'open') this.#state = 'leaving';
    if (this.active === 0) this.#end(errorCode.none, '');
  }

  /** Ends it at once. */
  destroy(): void {
    this.#break('reset', 'stopped');
  }

  onDeadline(): void {
    const { now } = this.deadlines;
    if (this.#state === 'closing' || this.#state === 'closed') this.#socket.destroy();
    else if (this.isConnecting) this.#break('connect-timeout', `no connection within ${this.#connectMs} ms`);
    else if (this.#pulse.lostAt <= now) this.#break('reset', 'no answer to a PING');
    else if (this.#table.blockAt <= now) this.fault('a header block that takes too long', errorCode.enhanceYourCalm);
    else if (this.#idleAt <= now) this.leaveSoon();
    else {
      for (const stream of [...this.#table.all()]) {
        if (stream.deadlineAt > now) continue;
        stream.deadlineAt = Infinity;
        stream.onDeadline();
      }
      if (this.#pingAt() <= now) this.#ping();
      this.#setDeadline();
    }
  }

  // What streams ask for.

  open(stream: UpstreamStream): number {
    if (this.#table.nextId >= mostId) this.leaveSoon();
    return this.#table.add(stream);
  }

  credit(bytes: number): void {
    this.#freed += bytes;
    if (this.#freed < creditBytes) return;
    this.output.number(frameType.windowUpdate, 0, this.#freed);
    this.#table.window += this.#freed;
    this.#freed = 0;
  }

  windowShare(): number {
    const { connectionWindowBytes, streamWindowBytes } = this.limits;
    const shares = 4 * Math.max(1, this.active);
    return Math.max(initialWindow, Math.min(streamWindowBytes, Math.floor(connectionWindowBytes / shares)));
  }

  watch(deadlineAt: number): void {
    if (deadlineAt < this.deadlineAt) this.deadlineAt = deadlineAt;
  }

  leave(stream: UpstreamStream, code: number | null): void {
    if (code !== null) this.output.number(frameType.rstStream, stream.id, code);
    this.#table.remove(stream.id);
    this.active--;
    if (stream.remoteEnded && this.#learnt < Infinity) this.#learnt++;
    if (this.active === 0) this.#onEmpty();
    this.#owner.onChange(this);
  }

  onRefused(): void {
    this.#learnt = Math.max(1, this.active - 1);
  }

  // What the socket tells.

  #connect({ host, port }: UpstreamTarget): Socket {
    const callback = (count: number): boolean => this.#onRead(count, sharedBuffer);
    return connect({ host, port, noDelay: true, onread: { buffer: sharedBuffer, callback } });
  }

  #greet(): void {
    if (this.#state !== 'connecting') return;
    const socket = this.#socket;
    if (socket instanceof TLSSocket && socket.alpnProtocol !== 'h2')
      return this.#break('connect', 'the backend did not agree on HTTP/2');
    this.#state = 'greeting';
    socket.setKeepAlive(true, keepAliveMs);
    socket.write(preface);
    this.output.settings([
      [setting.enablePush, 0],
      [setting.maxHeaderListSize, this.limits.headerListBytes],
    ]);
    this.output.number(frameType.windowUpdate, 0, this.limits.connectionWindowBytes - initialWindow);
    this.output.flush();
  }

  #onRead(count: number, bytes: Buffer): boolean {
    this.#pulse.heard(this.deadlines.now);
    this.#reader.feed(bytes, 0, count, this);
    this.#table.endRead();
    if (this.isReading && this.output.backlog > mostUnreadBytes)
      this.fault('the backend reads no answers to its frames', errorCode.enhanceYourCalm);
    return true;
  }

  readonly #onDrain = (): void => this.schedule.pump();

  readonly #onEnd = (): void =>
    this.#break(this.isConnecting ? 'connect' : 'reset', 'the backend closed the connection');

  readonly #onError = (error: Error): void => this.#break(this.isConnecting ? 'connect' : 'reset', messageOf(error));

  readonly #onClose = (): void => {
    this.#break(this.isConnecting ? 'connect' : 'reset', 'closed');
    this.#state = 'closed';
    this.deadlines.remove(this);
    this.#owner.onClosed(this);
  };

  // Frames.

  onOversized(): void {
    this.fault('a frame larger than we take', errorCode.frameSize);
  }

  onFrame(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const isGreeting = this.#state === 'greeting';
    if (isGreeting && (type !== frameType.settings || (flags & frameFlag.ack) !== 0))
      return this.fault('no SETTINGS first', errorCode.protocol);
    const table = this.#table;
    if (table.blockStream !== 0 && (type !== frameType.continuation || id !== table.blockStream))
      return this.fault('a frame within a header block', errorCode.protocol);
    if (type === frameType.data) table.onData(flags, id, bytes, from, to);
    else if (type === frameType.headers) table.onHeaders(flags, id, bytes, from, to);
    else if (type === frameType.continuation) table.onContinuation(flags, id, bytes, from, to);
    else if (to - from === 4 && type === frameType.windowUpdate) this.#onWindow(id, bytes.readUInt32BE(from));
    else if (to - from === 4 && type === frameType.rstStream) table.onReset(id, bytes.readUInt32BE(from));
    else this.#onControl(type, flags, id, bytes, from, to);
  }

  #onWindow(id: number, value: number): void {
    if (!this.bears('window')) return;
    const more = value & mostWindow;
    if (id !== 0) this.#table.onWindow(id, more);
    else if (more === 0) return this.fault('a window opened by nothing', errorCode.protocol);
    else if (this.schedule.window + more > mostWindow)
      return this.fault('a window beyond what one can be', errorCode.flowControl);
    else this.schedule.window += more;
    this.schedule.pump();
  }

  #onControl(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (this.#state !== 'greeting' && !this.bears('control')) return;
    const isAck = (flags & frameFlag.ack) !== 0;
    const code = controlFault(type, isAck, id, to - from);
    if (code !== errorCode.none) return this.fault('a frame of a wrong form', code);
    if (type === frameType.goaway) this.#onGoaway(bytes.readUInt32BE(from) & mostWindow, bytes.readUInt32BE(from + 4));
    else if (isAck) return;
    else if (type === frameType.settings) this.#onSettings(bytes, from, to);
    else if (type === frameType.ping) this.output.frame(frameType.ping, frameFlag.ack, 0, bytes, from, to);
    // What is unknown, and priorities, which servers do not have, are ignored (RFC 9113 §5.5).
  }

  #onSettings(bytes: Buffer, from: number, to: number): void {
    const code = applySettings(this, bytes, from, to);
    if (code !== errorCode.none) return this.fault('a setting beyond what it can be', code);
    this.output.acknowledgeSettings();
    this.schedule.pump();
    if (this.#state !== 'greeting') return this.#owner.onChange(this);
    this.#state = 'open';
    this.#idleAt = this.deadlines.in(this.limits.idleMs);
    this.#setDeadline();
    this.#owner.onReady(this);
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE moves the windows of all streams (RFC 9113 §6.9.2); false: beyond what a window can be. */
  setStreamWindow(window: number): boolean {
    const more = window - this.#table.streamWindow;
    this.#table.streamWindow = window;
    for (const { sender } of this.#table.all()) {
      if (sender === null) continue;
      sender.window += more;
      if (sender.window > mostWindow) return false;
      this.schedule.wake(sender);
    }
    return true;
  }

  /** RFC 9113 §6.8: streams beyond `last` were not touched, the others may still be answered. */
  #onGoaway(last: number, code: number): void {
    if (code === errorCode.enhanceYourCalm) this.#owner.onCalm();
    if (this.#state === 'open') this.#state = 'leaving';
    for (const stream of this.#table.takeBeyond(last)) stream.refused('the backend leaves and did not take the stream');
    this.leaveSoon();
    this.#owner.onChange(this);
  }

  // Time.

  #pingAt(): number {
    return this.#owner.pings ? this.#pulse.pingAt(this.active === 0) : Infinity;
  }

  #ping(): void {
    this.output.frame(frameType.ping, 0, 0, pingBytes, 0, pingBytes.length);
    this.#pulse.lostAt = this.deadlines.in(this.limits.pongMs);
  }

  #onEmpty(): void {
    if (!this.isOpen || !this.#owner.keeps(this)) {
      if (this.isReading) this.leaveSoon();
      return;
    }
    this.#idleAt = this.deadlines.in(this.limits.idleMs);
    this.#setDeadline();
  }

  #setDeadline(): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    let next = Math.min(this.#idleAt, this.#table.blockAt, this.#pulse.lostAt, this.#pingAt());
    for (const { deadlineAt } of this.#table.all()) next = Math.min(next, deadlineAt);
    this.deadlineAt = next;
  }

  // Ends.

  bears(kind: Flood): boolean {
    if (this.#flood.allows(kind, this.deadlines.now)) return true;
    this.fault(floodReasons[kind], errorCode.enhanceYourCalm);
    return false;
  }

  /** The backend broke a rule: all of its streams end. */
  fault(message: string, code: number): void {
    if (!this.isReading) return;
    if (this.#state === 'greeting') return this.#break('connect', `no HTTP/2: ${message}`);
    this.#end(code, message);
    this.#loseAll({ reason: 'reset', message: `the backend sent ${message}` });
  }

  /** Says goodbye, sends what was written, and closes. */
  #end(code: number, message: string): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#state = 'closing';
    this.output.goaway(0, code, message);
    this.output.flush();
    this.deadlineAt = this.deadlines.in(lingerMs);
    this.#socket.end();
  }

  #break(reason: UpstreamFailureReason, message: string): void {
    if (this.#state === 'closed') return;
    const wasConnecting = this.isConnecting;
    this.#state = 'closed';
    this.deadlineAt = Infinity;
    this.#socket.destroy();
    if (wasConnecting) this.#owner.onFailed(this, { reason, message });
    this.#loseAll({ reason: 'reset', message });
  }

  #loseAll(failure: UpstreamFailure): void {
    for (const stream of [...this.#table.all()]) stream.fail(failure, null);
  }
}

const pingBytes: Buffer = Buffer.from('isthmus.', 'latin1');
