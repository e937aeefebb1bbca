// Reads the PROXY header that a load balancer in front sends first off a socket: who the client is.

import type { Socket } from 'node:net';
import type { Clock } from '../../src/runtime/index.ts';
import { parseProxyHeader } from '../tls/index.ts';

export interface Introduction {
  /** Null where the peer speaks for itself: version 1 `UNKNOWN`, version 2 `LOCAL`. */
  readonly client: { readonly ip: string; readonly port: number } | null;
}

/**
 * Reads the header off `socket`, within `limitMs`; what came behind it is put back. Null where there was none, or no good one. `socket` is
 * paused before and after.
 */
export function awaitIntroduction(socket: Socket, limitMs: number, clock: Clock): Promise<Introduction | null> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (introduction: Introduction | null): void => {
      deadline.cancel();
      socket.off('data', onData).off('end', onEnd).off('close', onEnd);
      socket.pause();
      resolve(introduction);
    };
    const onEnd = (): void => settle(null);
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const header = parseProxyHeader(bytes);
      if (header === 'more') return;
      if (header === 'bad') {
        settle(null);
        return;
      }
      if (header.length < bytes.length) {
        socket.pause();
        socket.unshift(bytes.subarray(header.length));
      }
      const { addresses } = header;
      settle({ client: addresses === null ? null : { ip: addresses.address, port: addresses.port } });
    };
    const deadline = clock.after(limitMs, () => settle(null));
    socket.on('data', onData).once('end', onEnd).once('close', onEnd);
    socket.resume();
  });
}
