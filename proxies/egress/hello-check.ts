// Waits for the first bytes of a tunnel and demands that they are a ClientHello for the name that was asked for by CONNECT.

import type { Socket } from 'node:net';
import type { Clock } from '../../src/runtime/index.ts';
import { destinationText, type Destination } from '../access/index.ts';
import { parseClientHello } from '../tls/index.ts';

/** As long as a ClientHello may take (specs/proxies.md §10). */
const helloMs = 3_000;

/** Bytes that were read from the client, all of them, or why the tunnel may not begin. */
export type HelloCheck = { readonly bytes: Buffer } | { readonly refused: string };

/**
 * Resolves within 3 s, with `socket` paused and nobody listening for its data. An address as destination takes a hello without a name:
 * names of servers are no addresses (RFC 6066 §3).
 */
export function awaitHello(socket: Socket, early: Buffer, destination: Destination, clock: Clock): Promise<HelloCheck> {
  return new Promise((resolve) => {
    let bytes = early;
    const settle = (check: HelloCheck): void => {
      deadline.cancel();
      socket.off('data', onData).off('end', onEnd).off('close', onEnd);
      socket.pause();
      resolve(check);
    };
    const onEnd = (): void => settle({ refused: 'the client ended before its ClientHello' });
    const onData = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      look();
    };
    const look = (): void => {
      const hello = parseClientHello(bytes);
      if (hello === 'more') return;
      if ('refused' in hello) settle(hello);
      else settle(matches(hello.serverName, destination) ? { bytes } : { refused: mismatch });
    };
    const deadline = clock.after(helloMs, () => settle({ refused: 'no ClientHello came in time' }));
    socket.on('data', onData).once('end', onEnd).once('close', onEnd);
    look();
    if (socket.listenerCount('data') > 0) socket.resume();
  });
}

const mismatch = 'the server name is not that of CONNECT';

const matches = (name: string | null, destination: Destination): boolean =>
  destination.kind === 'ip' ? name === null : name?.toLowerCase() === destinationText(destination);
