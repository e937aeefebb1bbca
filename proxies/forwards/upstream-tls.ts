// TLS towards a target, so that clients that know none reach a legacy system that demands it.

import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { messageOf, type Clock } from '../../src/runtime/index.ts';

/** Certificates and keys as PEM text. */
export interface UpstreamTls {
  /** Whose certificate is due; null: that of the name or address that was dialled. */
  readonly serverName: string | null;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** True: whoever answers is believed. */
  readonly insecure?: boolean;
}

/**
 * Shakes hands on a connected socket, made with `allowHalfOpen`, within `limitMs`. `place`: the name or address of the target. A failure
 * closes the socket and is one line for a log.
 */
export function startTls(
  socket: Socket,
  tls: UpstreamTls,
  place: { readonly name: string | null; readonly ip: string },
  limitMs: number,
  clock: Clock,
): Promise<TLSSocket | { readonly failed: string }> {
  const { serverName, ca, cert, key, insecure = false } = tls;
  const name = serverName ?? place.name;
  return new Promise((resolve) => {
    const secure = connect({
      socket,
      // Who is asked for by address has a certificate for that address, and no server name (RFC 6066 §3).
      ...(name === null ? { host: place.ip } : { host: name, servername: name }),
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      rejectUnauthorized: !insecure,
    });
    const settle = (outcome: TLSSocket | { readonly failed: string }): void => {
      deadline.cancel();
      secure.off('error', onError).off('secureConnect', onSecure).off('close', onClose);
      resolve(outcome);
    };
    const fail = (failed: string): void => {
      settle({ failed });
      secure.on('error', () => undefined);
      secure.destroy();
      socket.destroy();
    };
    const onError = (error: Error): void => fail(messageOf(error));
    const onClose = (): void => fail('the target closed in the handshake');
    const onSecure = (): void => {
      secure.pause();
      settle(secure);
    };
    const deadline = clock.after(limitMs, () => fail('the handshake took too long'));
    secure.on('error', onError).once('secureConnect', onSecure).once('close', onClose);
  });
}
