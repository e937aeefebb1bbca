// Upgrades (RFC 9110 §7.8): the only protocol we switch to is `websocket`, by a GET without a body (specs/l7.md §3.6).

import type { RequestView } from './exchange.ts';
import { dropTable } from './hop-by-hop.ts';
import type { ResponseHead } from './response-head.ts';

const drops = dropTable([]);

/** Whether the request is a WebSocket handshake, or stands for one (RFC 8441); other upgrades are treated as plain requests. */
export function isWebSocketHandshake(request: RequestView): boolean {
  if (request.upgrade !== 'websocket' || request.method !== 'GET' || request.version === 10) return false;
  return !request.chunked && request.contentLength <= 0;
}

/** Lines that carry the wish, or its confirmation, over a hop. */
export const upgradeLines = (protocol: string): string => `Connection: Upgrade\r\nUpgrade: ${protocol}\r\n`;

/** A backend's 101 for the client. */
export function switchingHead(head: ResponseHead, extra: string): string {
  return `HTTP/1.1 101 ${head.reason}\r\n${head.fields.kept(drops, head.named)}${extra}${upgradeLines(head.upgrade)}\r\n`;
}
