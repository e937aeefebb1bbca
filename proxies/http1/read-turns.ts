// Fairness among connections: how much one turn of the loop reads of bodies in bulk. libuv reads a socket up to 32 times before it looks at
// the next one, 8 MiB with large buffers: two hundred who take whatever they get would make everybody else wait for more than a second.

import type { Socket } from 'node:net';

/** A tenth of a millisecond's work: small requests of the same turn wait no longer for all of bulk together. */
const turnBytes = 256 * 1024;
/** Of those who wait, so many fill a turn with a large buffer. */
const readersPerTurn = 1;
/** A body's first bytes never wait: most bodies have no more. */
const freeBytes = 32 * 1024;

const waiting: FairReader[] = [];
let left = turnBytes;
let isCounted = false;

/** A connection whose bodies are read in turns. */
export abstract class FairReader {
  abstract readonly socket: Socket;
  #isWaiting = false;

  /** Whether nothing is read now: until the socket's `resume`. */
  protected get isStopped(): boolean {
    return this.socket.isPaused();
  }

  /** Whether what is read finds somebody who takes it: if not, the connection stays paused when its turn comes. */
  protected abstract get takesMore(): boolean;

  /** It is its turn. */
  readOn(): void {
    this.#isWaiting = false;
    if (this.takesMore && !this.socket.destroyed && this.isStopped) this.readAgain();
  }

  protected readAgain(): void {
    this.socket.resume();
  }

  /** To be called after a read of `count` bytes, by which a body has `bodyBytes`. True: reading must stop, until others have had their turn. */
  protected mustWait(count: number, bodyBytes: number): boolean {
    left -= count;
    countTurn();
    if (left > 0 || bodyBytes <= freeBytes) return false;
    if (!this.#isWaiting) this.#await();
    return true;
  }

  /** Reads again, now or in turn, where reading stopped as nobody took what was read. */
  protected resumeReading(bodyBytes: number): void {
    if (this.#isWaiting || !this.isStopped) return;
    if (bodyBytes <= freeBytes) this.readAgain();
    else this.#await();
  }

  #await(): void {
    this.#isWaiting = true;
    waiting.push(this);
    countTurn();
  }
}

function countTurn(): void {
  if (isCounted) return;
  isCounted = true;
  setImmediate(beginTurn);
}

function beginTurn(): void {
  left = turnBytes;
  isCounted = false;
  if (waiting.length === 0) return;
  countTurn();
  for (const reader of waiting.splice(0, readersPerTurn)) reader.readOn();
}
