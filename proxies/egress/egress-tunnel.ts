// From an exchange that has been answered to a tunnel: bytes that came ahead of their turn, the check of the server name, the account of it.

import type { Socket } from 'node:net';
import type { Clock } from '../../src/runtime/index.ts';
import {
  sayFarewell,
  type Admission,
  type Destination,
  type FailureReason,
  type RuledCore,
  type Session,
} from '../access/index.ts';
import { formatLocalAnswer, type Exchange } from '../http1/index.ts';
import { failureAnswer } from './answers.ts';
import { awaitHello } from './hello-check.ts';

export interface TunnelEnds {
  readonly socket: Socket;
  readonly upstream: Socket;
  /** What the client sent behind its request. */
  readonly early: Buffer;
  /** What the origin sent behind its answer. */
  readonly ahead: Buffer;
  readonly admission: Admission | null;
}

export interface TunnelSurroundings {
  readonly core: RuledCore;
  readonly clock: Clock;
}

/** Ends the session and releases the admission when the tunnel ends. */
export function joinTunnel(ends: TunnelEnds, session: Session, { core }: TunnelSurroundings): void {
  const { socket, upstream, early, ahead, admission } = ends;
  if (early.length > 0) upstream.write(early);
  if (ahead.length > 0) socket.write(ahead);
  core.tunnel(socket, upstream, { session, admission, bytesUp: early.length, bytesDown: ahead.length });
}

/** As `joinTunnel`, but nothing reaches the destination before the client has said, in TLS, that it means it. Never rejects. */
export async function joinCheckedTunnel(
  ends: TunnelEnds,
  destination: Destination,
  session: Session,
  around: TunnelSurroundings,
): Promise<void> {
  const { socket, upstream, early } = ends;
  const onLost = (): void => void upstream.destroy();
  const onGone = (): void => void socket.destroy();
  upstream.on('error', onGone).on('close', onGone);
  socket.on('error', onLost);
  const hello = await awaitHello(socket, early, destination, around.clock);
  upstream.off('error', onGone).off('close', onGone);
  socket.off('error', onLost);
  if ('bytes' in hello && !upstream.destroyed) {
    joinTunnel({ ...ends, early: hello.bytes }, session, around);
    return;
  }
  ends.admission?.release();
  if ('refused' in hello) session.note({ detail: hello.refused });
  session.end({ verdict: 'deny', reason: upstream.destroyed ? 'upstream-reset' : 'denied' });
  socket.on('error', () => undefined);
  upstream.on('error', () => undefined);
  upstream.destroy();
  if (!socket.destroyed) socket.resetAndDestroy();
}

/** The connection ends with the refusal: what an eager client has sent behind its CONNECT is no next request. */
export function refuseTunnel(exchange: Exchange, reason: FailureReason, clock: Clock): void {
  const date = new Date(clock.now()).toUTCString();
  const answer = failureAnswer(reason, exchange.request.fields);
  const { socket } = exchange.switchProtocol(formatLocalAnswer(answer, date, false, 'Connection: close\r\n'));
  sayFarewell(socket, '', clock);
}
