// Who may use what control serves: reads are free on loopback, everything else shows the configured token.

import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../../runtime/index.ts';
import type { ControlRoom } from '../control.ts';

/** `changes`: the request has effects, which want the token everywhere. */
export function mayUse(room: ControlRoom, request: IncomingMessage, changes: boolean): boolean {
  if (!changes && isLoopback(request.socket.localAddress ?? '')) return true;
  const token = room.options.config.admin?.token?.reveal() ?? null;
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  return token !== null && sameText(given, token);
}

export function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
