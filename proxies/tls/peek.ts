// Looks at the first bytes of an accepted connection, and puts them back.

import type { Socket } from 'node:net';
import type { Clock } from '../../src/runtime/index.ts';

export interface PeekOptions {
  readonly clock: Clock;
  readonly withinMs: number;
  readonly mostBytes: number;
}

/** `found` null: these are not the bytes that were expected. */
export type Peeked<T> = 'more' | { readonly found: T | null; readonly eaten: number };

/**
 * Calls `look` with all that came so far, again as more comes, until it answers other than `more`. Then `done` gets the answer, with the
 * socket paused and every byte back in it but the first `eaten` ones. A connection that ends, or takes too long or too much, is cut, and
 * `done` hears null.
 */
export function peek<T>(
  socket: Socket,
  options: PeekOptions,
  look: (bytes: Buffer) => Peeked<T>,
  done: (found: T | null) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0);
  const settle = (found: T | null): void => {
    timer.cancel();
    socket.off('readable', onReadable).off('end', onGone).off('error', onGone).off('close', onGone);
    if (found === null) socket.on('error', () => undefined).destroy();
    done(found);
  };
  const onGone = (): void => settle(null);
  const onReadable = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const result = look(bytes);
    if (result === 'more') {
      if (bytes.length > options.mostBytes) settle(null);
      return;
    }
    // Without a listener for `readable` the stream would flow again.
    socket.pause();
    if (bytes.length > result.eaten) socket.unshift(bytes.subarray(result.eaten));
    settle(result.found);
  };
  const timer = options.clock.after(options.withinMs, onGone);
  socket.on('readable', onReadable).once('end', onGone).once('error', onGone).once('close', onGone);
}
