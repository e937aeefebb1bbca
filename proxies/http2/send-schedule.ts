// Whose DATA goes next: streams share a connection's window and its socket by urgency, and within one by turns where they are of use in
// parts, else one after another (RFC 9113 §5.2, RFC 9218 §10). One that its own window stops is out of the way of the others.

import type { FrameOutput } from './frame-output.ts';
import { initialWindow, leastFrameBytes } from './frame-words.ts';
import type { StreamSender } from './stream-sender.ts';

/** What may wait in our buffers and the socket's before streams are held back. */
const mostBacklog = 256 * 1024;

export class SendSchedule {
  /** What the client still takes on the connection. */
  window = initialWindow;
  /** Octets that all streams hold back. */
  held = 0;
  readonly #output: FrameOutput;
  readonly #onFrame: () => void;
  readonly #all: { bytes: number } | null;
  readonly #ready: StreamSender[][] = [[], [], [], [], [], [], [], []];

  /** `onFrame` hears of each DATA frame; `all` adds up what several schedules hold. */
  constructor(output: FrameOutput, onFrame: () => void, all: { bytes: number } | null = null) {
    this.#all = all;
    this.#output = output;
    this.#onFrame = onFrame;
  }

  /** Sends of the octets what windows and the socket take now; returns where it stopped. */
  send(sender: StreamSender, bytes: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to) {
      const length = Math.min(sender.window, this.window, leastFrameBytes, to - at);
      if (length <= 0 || this.#output.backlog >= mostBacklog) break;
      this.#output.data(sender.id, bytes, at, at + length, false);
      this.#onFrame();
      at += length;
      sender.window -= length;
      this.window -= length;
    }
    return at;
  }

  /** The sender keeps `length` octets more. */
  hold(sender: StreamSender, length: number): void {
    this.held += length;
    if (this.#all !== null) this.#all.bytes += length;
    this.wake(sender);
  }

  release(length: number): void {
    this.held -= length;
    if (this.#all !== null) this.#all.bytes -= length;
  }

  /** Puts a sender in line that has something and may send. */
  wake(sender: StreamSender): void {
    if (sender.isScheduled || !sender.isWaiting || sender.window <= 0) return;
    sender.isScheduled = true;
    this.#ready[sender.urgency]?.push(sender);
  }

  remove(sender: StreamSender): void {
    if (!sender.isScheduled) return;
    sender.isScheduled = false;
    const line = this.#ready[sender.urgency] ?? [];
    line.splice(line.indexOf(sender), 1);
  }

  /** Another place in line. */
  move(sender: StreamSender, urgency: number, incremental: boolean): void {
    this.remove(sender);
    sender.urgency = urgency;
    sender.incremental = incremental;
    this.wake(sender);
  }

  /** Sends as much as may go. */
  pump(): void {
    for (const line of this.#ready) {
      for (let sender = line[0]; sender !== undefined; sender = line[0]) {
        if (this.window <= 0 || this.#output.backlog >= mostBacklog) return;
        if (sender.sendOne(leastFrameBytes)) {
          if (!sender.incremental || line.length === 1) continue;
          line.shift();
          line.push(sender);
          continue;
        }
        line.shift();
        sender.isScheduled = false;
        if (!sender.isWaiting) sender.settle();
      }
    }
  }
}
