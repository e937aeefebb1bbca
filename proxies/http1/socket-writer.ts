// Gathers text and bytes for one socket into as few writes as can be: heads and small bodies go out as one string.

import type { Socket } from 'node:net';
import { latin1 } from './latin1.ts';
import { copyOf, type Lease, sharedBuffer } from './read-buffers.ts';

/** Up to here a copy into the string is cheaper than a buffer of its own. */
const appendBytes = 16 * 1024;

export class SocketWriter {
  readonly #socket: Socket;
  #unsent = '';

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Text (latin1) that waits for company: it goes out with what follows or by `flush`. */
  gather(text: string): void {
    this.#unsent += text;
  }

  /** Takes back what was gathered and not sent. */
  discard(): void {
    this.#unsent = '';
  }

  flush(): void {
    if (this.#unsent === '') return;
    this.#socket.write(this.#unsent, 'latin1');
    this.#unsent = '';
  }

  /** Copies the bytes, or holds their lease until they are sent. False: the peer takes no more until `drain`. */
  write(bytes: Buffer, from: number, to: number, lease: Lease | null): boolean {
    const socket = this.#socket;
    const length = to - from;
    if (length <= appendBytes) {
      this.#unsent += latin1(bytes, from, to);
      if (this.#unsent.length > appendBytes) this.flush();
    } else {
      // With a head before it, both go out as one.
      const isSecond = this.#unsent !== '';
      if (isSecond) socket.cork();
      this.flush();
      if (lease !== null) {
        lease.hold();
        socket.write(bytes.subarray(from, to), lease.letGo);
      } else if (length <= sharedBuffer.length) {
        const copy = copyOf(bytes, from, to);
        socket.write(copy.bytes.subarray(0, length), copy.letGo);
      } else socket.write(Buffer.copyBytesFrom(bytes, from, length));
      if (isSecond) socket.uncork();
    }
    // What write() returns was decided before the attempt; most writes are done when it returns.
    return socket.writableLength < socket.writableHighWaterMark;
  }
}
