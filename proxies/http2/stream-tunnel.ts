// A stream that speaks HTTP no more, as something that a tunnel can join to a socket.

import { Duplex } from 'node:stream';
import type { ClientLoss, Exchange, ExchangeHandler } from '../http1/index.ts';

/** The stream as the tunnel uses it: to a client its request is read and its answer written. */
export type TunnelEnd = Pick<Exchange, 'resumeBody' | 'pauseBody' | 'writeAnswer' | 'endAnswer' | 'abort'>;

export class StreamTunnel extends Duplex implements ExchangeHandler {
  readonly #exchange: TunnelEnd;
  readonly #readsOn: boolean;
  #written: (() => void) | null = null;
  #hasEnded = false;
  bytesWritten = 0;

  /** `readsOn`: the other side is still read when ours has ended. */
  constructor(exchange: TunnelEnd, readsOn = false) {
    super({ allowHalfOpen: true });
    this.#exchange = exchange;
    this.#readsOn = readsOn;
  }

  // As a socket.

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  resetAndDestroy(): this {
    return this.destroy();
  }

  override _read(): void {
    this.#exchange.resumeBody();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.bytesWritten += chunk.length;
    if (this.#exchange.writeAnswer(chunk, 0, chunk.length, null)) done();
    else this.#written = done;
  }

  override _final(done: () => void): void {
    this.#exchange.endAnswer(null);
    // Nothing is read of a client's stream that has its answer.
    if (!this.#readsOn) this.onRequestEnd();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#exchange.abort();
    done(error);
  }

  // As the handler of its exchange.

  onRequestBody(bytes: Buffer, from: number, to: number): void {
    if (this.#hasEnded) return;
    if (!this.push(bytes.subarray(from, to))) this.#exchange.pauseBody();
  }

  onRequestEnd(): void {
    if (!this.#hasEnded) this.push(null);
    this.#hasEnded = true;
  }

  onClientWritable(): void {
    const done = this.#written;
    this.#written = null;
    done?.();
  }

  onClientLost(loss: ClientLoss): void {
    this.destroy(new Error(`the peer is ${loss}`));
  }
}
