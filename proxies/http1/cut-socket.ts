// Ends a connection so that its peer cannot take what it has for the whole.

import type { Socket } from 'node:net';

/** Resets where that can be done, and destroys. */
export function cutSocket(socket: Socket): void {
  if (socket.destroyed) return;
  try {
    // A shutdown under way forbids a reset, and the handle would never close (uv_tcp_close_reset: EINVAL).
    if (!socket.writableEnded) socket.resetAndDestroy();
  } catch {
    // ERR_INVALID_HANDLE_TYPE: TLS sockets know no reset.
  }
  socket.destroy();
}
