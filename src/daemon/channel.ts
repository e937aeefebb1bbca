// A channel: messages both ways between control and one worker, in order. Over a unix socket as JSON lines, or in memory.

import type { Socket } from 'node:net';

export interface Channel<Out, In> {
  send(message: Out): void;
  /** Resolves when what was sent has left this process far enough that more may follow. */
  flushed(): Promise<void>;
  onMessage(handle: (message: In) => void): void;
  onClose(handle: () => void): void;
  close(): void;
}

/** Bytes of one line at most: a row of a table is never near it, so a longer one means a peer that lost its senses. */
const lineLimitBytes = 64 * 1024 * 1024;

/** Of one turn for what the other end says: libuv reads up to 32 times in a row, and whole tables would keep a worker from its traffic. */
const sliceMs = 3;

export function socketChannel<Out, In>(socket: Socket): Channel<Out, In> {
  let onMessage: (message: In) => void = () => undefined;
  let onClose: () => void = () => undefined;
  let waiting: string[] = [];
  let next = 0;
  let isHearing = false;
  let isClosed = false;
  /** Of this turn, which several reads may share; null before the first. */
  let startedAt: number | null = null;
  const isOver = (): boolean => {
    if (startedAt === null) {
      startedAt = performance.now();
      setImmediate(() => (startedAt = null));
    }
    return performance.now() - startedAt >= sliceMs;
  };
  const hear = (): void => {
    isHearing = true;
    while (next < waiting.length) {
      if (isOver()) {
        socket.pause();
        setImmediate(hear);
        return;
      }
      onMessage(JSON.parse(waiting[next++] as string) as In);
    }
    waiting = [];
    next = 0;
    isHearing = false;
    if (isClosed) onClose();
    else if (socket.isPaused()) socket.resume();
  };
  const lines = lineSplitter((line) => void waiting.push(line));
  socket.on('data', (chunk) => {
    if (!lines(chunk as Buffer)) socket.destroy();
    if (!isHearing) hear();
  });
  socket.on('error', () => undefined);
  // What came before the end is heard before it.
  socket.on('close', () => {
    isClosed = true;
    if (!isHearing) onClose();
  });
  return {
    send: (message) => void socket.write(`${JSON.stringify(message)}\n`),
    flushed: () => drained(socket),
    onMessage: (handle) => void (onMessage = handle),
    onClose: (handle) => void (onClose = handle),
    close: () => void socket.end(),
  };
}

/** Two ends of a channel in one process; messages arrive in a later microtask, as records of the same shape. */
export function memoryChannels<A, B>(): readonly [Channel<A, B>, Channel<B, A>] {
  const handlers: { a: (message: B) => void; b: (message: A) => void } = { a: () => undefined, b: () => undefined };
  const closers: (() => void)[] = [];
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    for (const handle of closers) handle();
  };
  const end = <Out, In>(
    deliver: (message: Out) => void,
    listen: (handle: (message: In) => void) => void,
  ): Channel<Out, In> => ({
    send: (message) => queueMicrotask(() => (closed ? undefined : deliver(message))),
    flushed: () => Promise.resolve(),
    onMessage: listen,
    onClose: (handle) => void closers.push(handle),
    close,
  });
  return [
    end<A, B>(
      (message) => handlers.b(message),
      (handle) => void (handlers.a = handle),
    ),
    end<B, A>(
      (message) => handlers.a(message),
      (handle) => void (handlers.b = handle),
    ),
  ];
}

function drained(socket: Socket): Promise<void> {
  if (!socket.writableNeedDrain || socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

/** Feeds complete lines to `handle`; false once a line is longer than anybody sane sends. */
function lineSplitter(handle: (line: string) => void): (chunk: Buffer) => boolean {
  let parts: Buffer[] = [];
  let held = 0;
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      parts.push(chunk.subarray(start, end));
      handle(parts.length === 1 ? (parts[0] as Buffer).toString() : Buffer.concat(parts).toString());
      parts = [];
      held = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      held += chunk.length - start;
      parts.push(Buffer.from(chunk.subarray(start)));
    }
    return held <= lineLimitBytes;
  };
}
