// Connects to two addresses in turns and prints the medians of what that took: `vip-dialler.ts IP:PORT IP:PORT COUNT`, run in a namespace.

import { connect } from 'node:net';

const [first = '', second = '', count = '0'] = process.argv.slice(2);

function dial(address: string): Promise<number> {
  const [ip = '', port = ''] = address.split(':');
  return new Promise((resolve, reject) => {
    const start = process.hrtime.bigint();
    const socket = connect({
      host: ip,
      port: Number(port),
      onread: { buffer: Buffer.alloc(64), callback: () => true },
    });
    socket.once('error', reject);
    socket.once('connect', () => {
      const took = Number(process.hrtime.bigint() - start) / 1000;
      socket.once('close', () => resolve(took));
      socket.resetAndDestroy();
    });
  });
}

const medianOf = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[times.length >> 1] ?? 0;

const times: Record<string, number[]> = { [first]: [], [second]: [] };
for (let i = -100; i < Number(count); i++) {
  for (const address of i % 2 === 0 ? [first, second] : [second, first]) {
    const took = await dial(address);
    if (i >= 0) times[address]?.push(took);
  }
}
process.stderr.write(
  `MEDIANS ${medianOf(times[first] ?? []).toFixed(1)} ${medianOf(times[second] ?? []).toFixed(1)}\n`,
);
