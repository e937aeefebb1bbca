// A client that sends bytes as they are and waits for what comes back. Nothing of HTTP's rules is in it.

import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

export interface RawClient {
  readonly socket: Socket;
  /** Everything received so far, one character a byte. */
  readonly received: string;
  send(text: string): void;
  /** Resolves with the match in what was received and not yet taken, and takes it with all before it; rejects when the connection ends first. */
  expect(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with all that was received when the connection has ended; `reset` where it was cut. */
  end(): Promise<{ readonly text: string; readonly reset: boolean }>;
  close(): void;
}

/** `onMatch` hears of each pattern that was met. */
export async function rawClient(port: number, onMatch?: (pattern: RegExp) => void): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  let received = '';
  let taken = 0;
  let reset = false;
  let closed = false;
  const waiting = new Set<() => void>();
  const closing = Promise.withResolvers<void>();
  const wake = (): void => {
    for (const look of waiting) look();
  };
  socket.on('data', (bytes) => {
    received += bytes.toString('latin1');
    wake();
  });
  socket.on('error', () => (reset = true));
  socket.on('close', () => {
    closed = true;
    closing.resolve();
    wake();
  });
  return {
    socket,
    get received() {
      return received;
    },
    send: (text) => void socket.write(text, 'latin1'),
    expect: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(received.slice(taken));
          if (match === null && !closed) return;
          waiting.delete(look);
          if (match === null) reject(new Error(`closed before ${pattern}: ${JSON.stringify(received.slice(taken))}`));
          else {
            taken += match.index + match[0].length;
            onMatch?.(pattern);
            resolve(match);
          }
        };
        waiting.add(look);
        look();
      }),
    async end() {
      await closing.promise;
      return { text: received, reset };
    },
    close: () => void socket.destroy(),
  };
}
