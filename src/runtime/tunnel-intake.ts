// Sockets that a tunnel reads in large pooled buffers: no copy, and a quarter of the system calls of Node's own 64 KiB reads.

import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { readInto, type ReadInto } from './read-into.ts';

/** What an idle connection holds. */
const smallBytes = 16 * 1024;
/** Measured best for bulk; 64 KiB and 1 MiB were worse (performance.md: 256 KiB halves the CPU time per MiB). */
const largeBytes = 256 * 1024;
const mostSmall = 256;
const mostLarge = 32;

export interface Intake {
  /** From now on what is read goes to `sink`; `onRead` hears how many bytes, and says whether to go on. `resume` starts reading, also anew. */
  connect(sink: Socket, onRead: (bytes: number) => boolean): void;
}

const intakes = new WeakMap<Socket, Intake>();

/** Of a socket from `connectForTunnel`, or of another whose bytes have all been taken; undefined: it is read by `data`. */
export function intakeOf(socket: Socket): Intake | undefined {
  const known = intakes.get(socket);
  if (known !== undefined || socket.readableLength > 0 || socket.readableEnded || socket.destroyed) return known;
  const intake = new PooledIntake();
  if (!readInto(socket, intake)) return undefined;
  socket.once('close', () => intake.close());
  return intake;
}

/**
 * Connects as `net.connect` with `allowHalfOpen`. The socket is paused and must stay so until `openTunnel` has it: it emits no `data`,
 * so a protocol that reads before the tunnel needs a plain socket.
 */
export function connectForTunnel(options: Omit<TcpNetConnectOpts, 'onread' | 'allowHalfOpen'>): Socket {
  const intake = new PooledIntake();
  const socket = connect({
    ...options,
    allowHalfOpen: true,
    onread: { buffer: intake.buffer, callback: intake.take },
  });
  socket.pause();
  socket.once('close', () => intake.close());
  intakes.set(socket, intake);
  return socket;
}

class PooledIntake implements Intake, ReadInto {
  #sink: Socket | null = null;
  #onRead: ((bytes: number) => boolean) | null = null;
  #size = smallBytes;
  #current: Buffer | null = null;
  readonly #underWay: Buffer[] = [];

  connect(sink: Socket, onRead: (bytes: number) => boolean): void {
    this.#sink = sink;
    this.#onRead = onRead;
  }

  close(): void {
    if (this.#current !== null) give(this.#current);
    this.#current = null;
  }

  readonly buffer = (): Buffer => (this.#current ??= take(this.#size));

  readonly take = (bytes: number): boolean => {
    const sink = this.#sink;
    const buffer = this.#current;
    if (sink === null || this.#onRead === null || buffer === null)
      throw new Error('read before openTunnel had the socket');
    const mayGoOn = this.#onRead(bytes);
    this.#size = sizeAfter(bytes, buffer.length);
    if (buffer.length === smallBytes) this.#passSmall(sink, buffer, bytes);
    else this.#passLarge(sink, buffer, bytes);
    // What write() returns was decided before the attempt; `resume` goes on reading.
    return mayGoOn && sink.writableLength < sink.writableHighWaterMark;
  };

  /** Most writes are done when `write` returns, and the next read takes the same buffer; one that waits keeps its buffer. */
  #passSmall(sink: Socket, buffer: Buffer, bytes: number): void {
    sink.write(bytes === buffer.length ? buffer : buffer.subarray(0, bytes));
    if (sink.writableLength === 0 && this.#size === smallBytes) return;
    if (sink.writableLength === 0) give(buffer);
    this.#current = null;
  }

  #passLarge(sink: Socket, buffer: Buffer, bytes: number): void {
    this.#current = null;
    this.#underWay.push(buffer);
    sink.write(buffer.subarray(0, bytes), this.#written);
  }

  /** Write callbacks come in the order of the writes. */
  readonly #written = (error?: Error | null): void => {
    const buffer = this.#underWay.shift();
    if (buffer !== undefined && (error === undefined || error === null)) give(buffer);
  };
}

/** Grows when a read filled the buffer, so that only connections in bulk hold large ones. */
function sizeAfter(bytes: number, length: number): number {
  if (length === smallBytes) return bytes === smallBytes ? largeBytes : smallBytes;
  return bytes < largeBytes / 4 ? smallBytes : largeBytes;
}

const smallPool: Buffer[] = [];
const largePool: Buffer[] = [];

function take(size: number): Buffer {
  return (size === largeBytes ? largePool : smallPool).pop() ?? Buffer.allocUnsafeSlow(size);
}

function give(buffer: Buffer): void {
  const isLarge = buffer.length === largeBytes;
  const pool = isLarge ? largePool : smallPool;
  if (pool.length < (isLarge ? mostLarge : mostSmall)) pool.push(buffer);
}
