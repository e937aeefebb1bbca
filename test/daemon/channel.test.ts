// A channel over a socket: what is said comes in its order, others get their turns between, and the end is heard after all that was said.

import t from 'tap';
import { socketChannel } from '../../src/daemon/channel.ts';
import { socketPair } from '../runtime/loopback.ts';

interface Numbered {
  readonly n: number;
  readonly padding: string;
}

t.test('thousands of messages, then the end', async (t) => {
  const { client, server } = await socketPair();
  const speaker = socketChannel<Numbered, never>(client);
  const hearer = socketChannel<never, Numbered>(server);
  const heard: number[] = [];
  let turns = 0;
  let closings = 0;
  const turning = setInterval(() => turns++, 0);
  const closed = new Promise<void>((resolve) => {
    hearer.onClose(() => {
      closings++;
      resolve();
    });
  });
  hearer.onMessage(({ n }) => {
    heard.push(n);
    // As long as some rows of a table take.
    for (const until = performance.now() + 0.2; performance.now() < until;);
  });
  const padding = 'x'.repeat(500);
  const count = 2000;
  for (let n = 0; n < count; n++) speaker.send({ n, padding });
  speaker.close();
  server.on('end', () => server.end());
  server.resume();
  await closed;
  clearInterval(turning);
  t.same(
    heard,
    Array.from({ length: count }, (_, n) => n),
  );
  t.equal(closings, 1);
  t.ok(turns > 5, `${turns} turns of others meanwhile`);
});
