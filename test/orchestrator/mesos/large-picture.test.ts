// A picture too large for one string is read as its bytes come. Small here, by the same way: nothing of it is ever made a text but one
// task or agent at a time, so that its length is bounded by that of a task and not by V8's longest string.

import t from 'tap';
import { createBigCluster, startFakeMasters } from '../../../src/fakes/index.ts';
import { createMesosOrchestrator } from '../../../src/orchestrator/index.ts';
import { follow, surroundings } from '../harness.ts';

const tasks = 400;
const paddingBytes = 6000;
/** A task, and what is around the arrays. */
const mostText = 64 * 1024;

t.test('a picture of some MB, by the stream and by polls', async (t) => {
  const cluster = createBigCluster({ agents: 40, tasks, paddingBytes });
  const masters = await startFakeMasters(cluster, { count: 1 });
  let longest = 0;
  const restore = watchTexts((length) => {
    // The fake's own texts are no concern of ours.
    if (length > mostText && !/src\/orchestrator/.test(new Error().stack ?? '')) return;
    longest = Math.max(longest, length);
  });
  t.teardown(async () => {
    restore();
    await masters.close();
  });
  for (const version of ['stream', 'poll'] as const) {
    longest = 0;
    masters.faults(0).auth = version === 'poll' ? { token: 'none', realm: 'readwrite' } : null;
    const followed = follow(
      createMesosOrchestrator({ masters: masters.urls, limits: { pollMs: 50 }, ...surroundings() }),
    );
    await followed.until('the picture', (snapshot) => snapshot.synced);
    t.equal(followed.snapshot.tasks.size, tasks, version);
    t.equal(followed.snapshot.agents.size, 40);
    t.ok(longest > paddingBytes, 'tasks were texts');
    t.ok(longest < mostText, `the longest text made of bytes: ${longest}`);
    await followed.stop();
  }
});

/** Calls `heard` with the length of each text that is made of a buffer or parsed as JSON; returns what ends that. */
function watchTexts(heard: (length: number) => void): () => void {
  const buffers = Buffer.prototype as unknown as { toString: (...range: unknown[]) => string };
  const { toString } = buffers;
  const { parse } = JSON;
  buffers.toString = function (...range) {
    const text = toString.apply(this, range);
    heard(text.length);
    return text;
  };
  JSON.parse = (text: string, ...rest) => {
    heard(text.length);
    return parse(text, ...rest) as unknown;
  };
  return () => {
    buffers.toString = toString;
    JSON.parse = parse;
  };
}
