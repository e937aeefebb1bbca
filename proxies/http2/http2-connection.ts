// One connection of an HTTP/2 client: reads frames, keeps streams and windows, holds the rules of RFC 9113 that concern the whole.
//
// States: preface (nothing was read yet) → open → closing (GOAWAY with an error is out: what still comes is thrown away) → closed.

import type { Socket } from 'node:net';
import { cutSocket, type Deadline, type Peer, readShared } from '../http1/index.ts';
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
import { parsePriority } from './priority.ts';
import { SendSchedule } from './send-schedule.ts';
import type { FaultReason, Http2ConnectionFront } from './stream-host.ts';
import { StreamTable, type StreamOwner } from './stream-table.ts';

/** How much of the connection's window is gathered before it is given back. */
const creditBytes = 256 * 1024;
/** How long a client has to hear that we leave, before requests on their way are not taken any more. */
const drainMs = 500;
/** What may wait in the socket though the client reads nothing: frames of control, as answers are held back before. */
const mostUnreadBytes = 4 * 1024 * 1024;

export class Http2Connection implements Deadline, FrameSink, StreamOwner, PeerSettings {
  deadlineAt: number;
  readonly peer: Peer;
  readonly front: Http2ConnectionFront;
  readonly encoder = new HpackEncoder();
  readonly output: FrameOutput;
  readonly schedule: SendSchedule;
  mostFrameBytes = leastFrameBytes;

  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #streams: StreamTable;
  readonly #flood: FloodGuard;
  #state: 'preface' | 'open' | 'closing' | 'closed' = 'preface';
  #prefaceSeen = 0;
  #hasSettings = false;
  #freed = 0;
  #idleAt: number;
  #drainAt = Infinity;
  #peerLeaves = false;
  /** When our SETTINGS should have been acknowledged. */
  #settingsAt: number;
  /** Of requests' bodies. */
  #keptBytes = 0;

  constructor(socket: Socket, peer: Peer, front: Http2ConnectionFront) {
    this.#socket = socket;
    this.peer = peer;
    this.front = front;
    this.output = new FrameOutput(socket);
    this.schedule = new SendSchedule(this.output, () => this.#flood.sent(), front.held);
    this.#flood = new FloodGuard(
      { burst: front.limits.streamResetBurst, perSecond: front.limits.streamResetRate },
      peer.trusted,
      front.deadlines.now,
    );
    this.#streams = new StreamTable(this);
    this.#idleAt = front.deadlines.in(front.timeouts.headerMs);
    this.#settingsAt = front.deadlines.in(front.limits.settingsMs);
    this.deadlineAt = Math.min(this.#idleAt, this.#settingsAt);
    front.deadlines.add(this);
    if (!readShared(socket, (count, shared) => this.#take(shared, count))) socket.on('data', this.#onData);
    socket.on('end', this.#onEnd).on('drain', this.#onDrain).on('error', this.#onError).on('close', this.#onClose);
    this.#greet();
  }

  get isReading(): boolean {
    return this.#state === 'open';
  }

  /** Takes octets that were read before the connection was made. */
  receive(bytes: Buffer): void {
    this.#take(bytes, bytes.length);
  }

  /** Says that no more requests are taken; those that are under way are answered. */
  drain(): void {
    if (this.#drainAt !== Infinity || this.#state === 'closing' || this.#state === 'closed') return;
    // RFC 9113 §6.8: first a warning, so that requests on their way are not lost.
    this.output.goaway(mostWindow, errorCode.none, '');
    this.#drainAt = this.front.deadlines.in(drainMs);
    this.watch(this.#drainAt);
  }

  destroy(): void {
    this.#streams.loseAll('stopped');
    this.#state = 'closed';
    cutSocket(this.#socket);
  }

  onDeadline(): void {
    const { now } = this.front.deadlines;
    if (this.#state === 'closing' || this.#state === 'closed') {
      this.#socket.destroy();
      return;
    }
    if (this.#drainAt <= now) this.#stopTaking();
    if (this.#settingsAt <= now && this.#state === 'open') this.fault('settings-timeout', errorCode.settingsTimeout);
    else if (this.#streams.blockAt <= now) this.fault('timeout', errorCode.enhanceYourCalm);
    else if (this.#streams.size === 0 && this.#idleAt <= now) this.#leave('', errorCode.none);
    for (const stream of [...this.#streams.all()]) {
      if (stream.deadlineAt > now) continue;
      stream.deadlineAt = Infinity;
      stream.onDeadline();
    }
    this.#setDeadline();
  }

  // What streams ask for.

  credit(bytes: number): void {
    this.#freed += bytes;
    if (this.#freed < creditBytes) return;
    this.output.number(frameType.windowUpdate, 0, this.#freed);
    this.#streams.window += this.#freed;
    this.#freed = 0;
  }

  windowShare(): number {
    const { connectionWindowBytes, streamWindowBytes } = this.front.limits;
    return Math.max(
      initialWindow,
      Math.min(streamWindowBytes, Math.floor(connectionWindowBytes / sharesOf(this.#streams.size))),
    );
  }

  watch(deadlineAt: number): void {
    if (deadlineAt < this.deadlineAt) this.deadlineAt = deadlineAt;
  }

  leave(id: number, code: number | null): void {
    if (code !== null) this.output.number(frameType.rstStream, id, code);
    this.#remove(id, code !== null);
  }

  checkHeld(): void {
    if (this.schedule.held > this.front.limits.heldBytes) this.fault('held-answers', errorCode.enhanceYourCalm);
    else this.front.held.check();
  }

  keep(bytes: number): void {
    this.#keptBytes += bytes;
    this.front.held.bytes += bytes;
  }

  get heldBytes(): number {
    return this.schedule.held + this.#keptBytes;
  }

  giveWay(): void {
    this.fault('memory', errorCode.enhanceYourCalm);
  }

  // What the socket tells.

  readonly #onData = (bytes: Buffer): void => this.#take(bytes, bytes.length);

  #take(bytes: Buffer, to: number): void {
    let at = 0;
    if (this.#state === 'preface') {
      while (at < to && this.#prefaceSeen < preface.length) {
        if (bytes[at++] === preface[this.#prefaceSeen++]) continue;
        this.fault('protocol', errorCode.protocol);
        return;
      }
      if (this.#prefaceSeen < preface.length) return;
      this.#state = 'open';
    }
    this.#reader.feed(bytes, at, to, this);
    if (this.#state === 'open' && this.output.backlog > mostUnreadBytes) {
      this.fault('control-flood', errorCode.enhanceYourCalm);
    }
  }

  readonly #onEnd = (): void => {
    this.#streams.loseAll('gone');
    this.#state = 'closed';
    this.#socket.end();
    this.#socket.destroySoon();
  };

  readonly #onDrain = (): void => this.schedule.pump();

  readonly #onError = (): void => {
    this.#streams.loseAll('gone');
    this.#socket.destroy();
  };

  readonly #onClose = (): void => {
    this.front.deadlines.remove(this);
    this.front.onClosed(this);
    this.#streams.loseAll('gone');
    this.#state = 'closed';
  };

  // Frames.

  onOversized(): void {
    // RFC 9113 §4.2: a stream error would do for DATA, but nothing is read behind it.
    this.fault('frame-size', errorCode.frameSize);
  }

  onFrame(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (!this.#hasSettings && (type !== frameType.settings || (flags & frameFlag.ack) !== 0)) {
      this.fault('protocol', errorCode.protocol);
      return;
    }
    if (this.#streams.blockStream !== 0 && (type !== frameType.continuation || id !== this.#streams.blockStream)) {
      this.fault('protocol', errorCode.protocol);
      return;
    }
    switch (type) {
      case frameType.data:
        this.#streams.onData(flags, id, bytes, from, to);
        break;
      case frameType.headers:
        this.#streams.onHeaders(flags, id, bytes, from, to);
        break;
      case frameType.windowUpdate:
        this.#onWindowUpdate(id, bytes, from, to);
        break;
      case frameType.rstStream:
        this.#streams.onReset(id, to - from);
        break;
      case frameType.settings:
        this.#onSettings(flags, id, bytes, from, to);
        break;
      case frameType.continuation:
        this.#streams.onContinuation(flags, id, bytes, from, to);
        break;
      default:
        this.#onControl(type, flags, id, bytes, from, to);
    }
  }

  #onWindowUpdate(id: number, bytes: Buffer, from: number, to: number): void {
    if (to - from !== 4) return this.fault('frame-size', errorCode.frameSize);
    if (id > this.#streams.lastStream) return this.fault('protocol', errorCode.protocol);
    if (!this.bears('window')) return;
    const more = bytes.readUInt32BE(from) & mostWindow;
    if (id === 0) {
      if (more === 0) return this.fault('protocol', errorCode.protocol);
      if (this.schedule.window + more > mostWindow) return this.fault('flow-control', errorCode.flowControl);
      this.schedule.window += more;
    } else {
      const stream = this.#streams.get(id);
      if (stream === undefined) return;
      const { sender } = stream;
      if (more === 0) return this.#streams.reset(stream, errorCode.protocol);
      if (sender.window + more > mostWindow) return this.#streams.reset(stream, errorCode.flowControl);
      sender.window += more;
      this.schedule.wake(sender);
    }
    this.schedule.pump();
  }

  #onSettings(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) return this.fault('protocol', errorCode.protocol);
    if ((flags & frameFlag.ack) !== 0) {
      if (to > from) this.fault('frame-size', errorCode.frameSize);
      this.#settingsAt = Infinity;
      return;
    }
    if ((to - from) % 6 !== 0) return this.fault('frame-size', errorCode.frameSize);
    if (this.#hasSettings && !this.bears('control')) return;
    this.#hasSettings = true;
    const code = applySettings(this, bytes, from, to);
    if (code === errorCode.none) {
      this.output.acknowledgeSettings();
      this.schedule.pump();
    } else this.fault(code === errorCode.flowControl ? 'flow-control' : 'protocol', code);
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE moves the windows of all streams (RFC 9113 §6.9.2); false: beyond what a window can be. */
  setStreamWindow(window: number): boolean {
    const more = window - this.#streams.streamWindow;
    this.#streams.streamWindow = window;
    for (const { sender } of this.#streams.all()) {
      sender.window += more;
      if (sender.window > mostWindow) return false;
      this.schedule.wake(sender);
    }
    return true;
  }

  #onControl(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (!this.bears('control')) return;
    const length = to - from;
    if (type === frameType.ping) {
      if (id !== 0) return this.fault('protocol', errorCode.protocol);
      if (length !== 8) return this.fault('frame-size', errorCode.frameSize);
      if ((flags & frameFlag.ack) === 0) this.output.frame(frameType.ping, frameFlag.ack, 0, bytes, from, to);
    } else if (type === frameType.priority) {
      if (id === 0) return this.fault('protocol', errorCode.protocol);
      const stream = this.#streams.get(id);
      const code = length !== 5 ? errorCode.frameSize : selfIn(bytes, from, id) ? errorCode.protocol : errorCode.none;
      if (code === errorCode.none) return;
      if (stream !== undefined) this.#streams.reset(stream, code);
      else this.fault(code === errorCode.frameSize ? 'frame-size' : 'protocol', code);
    } else if (type === frameType.goaway) {
      if (id !== 0) return this.fault('protocol', errorCode.protocol);
      if (length < 8) return this.fault('frame-size', errorCode.frameSize);
      this.#peerLeaves = true;
      if (this.#streams.size === 0) this.#leave('', errorCode.none);
    } else if (type === frameType.priorityUpdate) this.#onPriorityUpdate(id, bytes, from, to);
    // RFC 9113 §8.4: clients do not push. What is unknown is ignored (§5.5).
    else if (type === frameType.pushPromise) this.fault('protocol', errorCode.protocol);
  }

  /** RFC 9218 §7.1. */
  #onPriorityUpdate(id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) return this.fault('protocol', errorCode.protocol);
    if (to - from < 4) return this.fault('frame-size', errorCode.frameSize);
    const which = bytes.readUInt32BE(from) & mostWindow;
    if (which === 0) return this.fault('protocol', errorCode.protocol);
    const stream = this.#streams.get(which);
    if (stream === undefined) return;
    const { urgency, incremental } = parsePriority(bytes.toString('latin1', from + 4, Math.min(to, from + 260)));
    this.schedule.move(stream.sender, urgency, incremental);
  }

  // Ends.

  #greet(): void {
    const { limits } = this.front;
    this.output.settings([
      [setting.maxConcurrentStreams, Math.min(limits.streams, mostWindow)],
      [setting.maxHeaderListSize, Math.min(limits.headerListBytes, mostWindow)],
      [setting.enableConnectProtocol, 1],
      [setting.noRfc7540Priorities, 1],
    ]);
    this.output.number(frameType.windowUpdate, 0, limits.connectionWindowBytes - initialWindow);
  }

  #remove(id: number, wasReset: boolean): void {
    if (!this.#streams.remove(id, wasReset) || this.#streams.size > 0) return;
    this.#idleAt = this.front.deadlines.in(this.front.timeouts.idleMs);
    this.watch(this.#idleAt);
    if (this.#peerLeaves || this.#streams.mostStream !== Infinity) this.#leave('', errorCode.none);
  }

  /** The end of a drain's warning: what comes from now on is not taken. */
  #stopTaking(): void {
    this.#drainAt = Infinity;
    this.#streams.mostStream = this.#streams.lastStream;
    this.output.goaway(this.#streams.lastStream, errorCode.none, '');
    if (this.#streams.size === 0) this.#leave(null, errorCode.none);
  }

  /** False: too often, and the connection has ended. */
  bears(kind: Flood): boolean {
    if (this.#flood.allows(kind, this.front.deadlines.now)) return true;
    if (this.#state === 'open') this.fault(floodReasons[kind] as FaultReason, errorCode.enhanceYourCalm);
    return false;
  }

  /** The client broke a rule: all of its streams end. */
  fault(reason: FaultReason, code: number): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.front.onFault(reason);
    this.#leave(reason, code);
    this.#streams.loseAll(reason === 'timeout' ? 'timeout' : 'bad-request');
  }

  /** Says goodbye, sends what was written, and closes. `reason` null: it has been said. */
  #leave(reason: string | null, code: number): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#state = 'closing';
    if (reason !== null) this.output.goaway(this.#streams.lastStream, code, reason);
    this.output.flush();
    this.deadlineAt = this.front.deadlines.in(this.front.timeouts.lingerMs);
    this.#socket.end();
  }

  #setDeadline(): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    const idleAt = this.#streams.size === 0 ? this.#idleAt : Infinity;
    let next = Math.min(idleAt, this.#settingsAt, this.#streams.blockAt, this.#drainAt);
    for (const { deadlineAt } of this.#streams.all()) next = Math.min(next, deadlineAt);
    this.deadlineAt = next;
  }
}

/** A stream that was given its share may stall, and others come: of four times as many, all shares ever given still fit the window. */
const sharesOf = (streams: number): number => 4 * Math.max(1, streams);

const selfIn = (bytes: Buffer, at: number, id: number): boolean => (bytes.readUInt32BE(at) & mostWindow) === id;
