// Waits until nobody listens any more: a listener that drains takes what waits before it closes.

import { once } from 'node:events';
import { connect } from 'node:net';

/** Rejects after ten seconds in which somebody went on accepting. */
export async function untilRefused(port: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
    } catch (error) {
      if ((error as { code?: string }).code === 'ECONNREFUSED') return;
    } finally {
      socket.on('error', () => undefined).destroy();
    }
  }
  throw new Error(`somebody accepts on port ${port} still`);
}
