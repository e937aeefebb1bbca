// Upstream sockets that a tunnel reads in large pooled buffers: no copy, and a quarter of the system calls of Node's own 64 KiB reads.

import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';

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

export const intakeOf = (socket: Socket): Intake | undefined => intakes.get(socket);

/**
 * Connects as `net.connect` with `allowHalfOpen`. The socket is paused and must stay so until `openTunnel` has it: it emits no `data`,
 * so a protocol that reads before the tunnel needs a plain socket.
 */
export function connectForTunnel(options: Omit<TcpNetConnectOpts, 'onread' | 'allowHalfOpen'>): Socket {
  let sink: Socket | null = null;
  let onRead: ((bytes: number) => boolean) | null = null;
  let size = smallBytes;
  let current: Buffer | null = null;
  const underWay: Buffer[] = [];
  // Write callbacks come in the order of the writes.
  const written = (error?: Error | null): void => {
    const buffer = underWay.shift();
    if (buffer !== undefined && (error === undefined || error === null)) give(buffer);
  };
  const socket = connect({
    ...options,
    allowHalfOpen: true,
    onread: {
      buffer: () => (current ??= take(size)),
      callback: (bytes) => {
        if (sink === null || onRead === null || current === null)
          throw new Error('read before openTunnel had the socket');
        const mayGoOn = onRead(bytes);
        const buffer = current;
        current = null;
        size = sizeAfter(bytes, buffer.length);
        underWay.push(buffer);
        sink.write(buffer.subarray(0, bytes), written);
        // What write() returns was decided before the attempt; `resume` goes on reading.
        return mayGoOn && sink.writableLength < sink.writableHighWaterMark;
      },
    },
  });
  socket.pause();
  socket.once('close', () => {
    if (current !== null) give(current);
    current = null;
  });
  intakes.set(socket, {
    connect(target, count) {
      sink = target;
      onRead = count;
    },
  });
  return socket;
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
