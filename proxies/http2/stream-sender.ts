// The sending half of one stream: what waits for windows and the socket, and how the stream ends.

import type { FieldList, Lease } from '../http1/index.ts';
import { initialWindow } from './frame-words.ts';
import type { Priority } from './priority.ts';
import type { SendSchedule } from './send-schedule.ts';

/** Part of a body that could not go out at once. */
interface Piece {
  readonly bytes: Buffer;
  at: number;
  readonly to: number;
  readonly lease: Lease | null;
}

/** Less than this, for as long as a client may stall, is no progress: one that opens its window octet by octet is slow. */
const leastProgress = 1024;

/** Whom a sender tells. */
export interface SenderOwner {
  /** All that waited is written, after `write` returned false. */
  onDrained(): void;
  /** The last of what waited went out, and `trailers` and the end of the stream are to follow now. */
  onEnding(trailers: FieldList | null): void;
  /** What waits makes progress. */
  onProgress(): void;
}

export class StreamSender {
  readonly id: number;
  /** What the client still takes on this stream; below 0 where it shrank its windows. */
  window = initialWindow;
  urgency: number;
  incremental: boolean;
  /** Whether it is in the schedule: it has something to send and a window to send it. */
  isScheduled = false;
  held = 0;
  readonly #schedule: SendSchedule;
  readonly #owner: SenderOwner;
  #pieces: Piece[] = [];
  #isEnding = false;
  #trailers: FieldList | null = null;
  #progress = 0;

  constructor(id: number, window: number, priority: Priority, schedule: SendSchedule, owner: SenderOwner) {
    this.id = id;
    this.window = window;
    this.urgency = priority.urgency;
    this.incremental = priority.incremental;
    this.#schedule = schedule;
    this.#owner = owner;
  }

  get isWaiting(): boolean {
    return this.#pieces.length > 0;
  }

  /** Sends what may go and keeps the rest. False: something waits. */
  write(bytes: Buffer, from: number, to: number, lease: Lease | null): boolean {
    const at = this.isWaiting ? from : this.#schedule.send(this, bytes, from, to);
    if (at === to) return !this.isWaiting;
    if (lease === null) {
      this.#pieces.push({ bytes: Buffer.copyBytesFrom(bytes, at, to - at), at: 0, to: to - at, lease: null });
    } else {
      lease.hold();
      this.#pieces.push({ bytes, at, to, lease });
    }
    this.held += to - at;
    this.#schedule.hold(this, to - at);
    return false;
  }

  /** Ends the stream behind what waits. */
  end(trailers: FieldList | null): void {
    if (!this.isWaiting) {
      this.#owner.onEnding(trailers);
      return;
    }
    this.#isEnding = true;
    this.#trailers = trailers;
  }

  /** Sends one frame of what waits. False: nothing is left that may go now. */
  sendOne(most: number): boolean {
    const piece = this.#pieces[0];
    if (piece === undefined) return false;
    const before = piece.at;
    piece.at = this.#schedule.send(this, piece.bytes, before, Math.min(piece.to, before + most));
    const sent = piece.at - before;
    this.held -= sent;
    this.#schedule.release(sent);
    this.#progress += sent;
    if (piece.at === piece.to) {
      piece.lease?.letGo();
      this.#pieces.shift();
    }
    if (this.#pieces.length > 0) {
      if (this.#progress >= leastProgress) {
        this.#progress = 0;
        this.#owner.onProgress();
      }
      return this.window > 0;
    }
    return false;
  }

  /** Tells that nothing waits any more. */
  settle(): void {
    this.#progress = 0;
    if (this.#isEnding) this.#owner.onEnding(this.#trailers);
    else this.#owner.onDrained();
  }

  /** Throws away what waits. */
  discard(): void {
    for (const { lease } of this.#pieces) lease?.letGo();
    this.#pieces = [];
    this.#schedule.release(this.held);
    this.held = 0;
    this.#schedule.remove(this);
  }
}
