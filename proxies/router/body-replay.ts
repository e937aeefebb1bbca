// A request body kept while it streams, so that the request can be sent again as long as it is small.

import type { UpstreamCall } from '../http1/index.ts';

const mostBytes = 64 * 1024;

export class BodyReplay {
  #parts: Buffer[] | null = null;
  #bytes = 0;

  /** There was more than is kept. */
  get isLost(): boolean {
    return this.#bytes > mostBytes;
  }

  keep(bytes: Buffer, from: number, to: number): void {
    if (this.isLost) return;
    this.#bytes += to - from;
    if (this.isLost) this.#parts = null;
    else (this.#parts ??= []).push(bytes.subarray(from, to));
  }

  send(connection: UpstreamCall): void {
    if (this.#parts !== null) for (const bytes of this.#parts) connection.sendBody(bytes, 0, bytes.length);
  }
}
