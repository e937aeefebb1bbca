// Loopback addresses of its own for a server that wants a port by number: found once, they stay its own over its restarts.

import { createServer } from 'node:net';

/** The second octet of addresses `127.N.0.x` on which nothing listens at `port`. Differs from process to process. */
export async function freeBlock(port: number): Promise<number> {
  for (let block = 60 + (process.pid % 150); ; block++) {
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, `127.${block}.0.1`, () => resolve(true));
    });
    await new Promise<void>((resolve) => void (isFree ? server.close(() => resolve()) : resolve()));
    if (isFree) return block;
  }
}
