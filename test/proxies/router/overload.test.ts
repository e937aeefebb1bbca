// Overload: seen by the loop's delay, over a while and with a loop that is busy; requests get 503 at once, and are served again afterwards.

import { gzipSync } from 'node:zlib';
import t from 'tap';
import { watchOverload } from '../../../proxies/router/overload.ts';
import type { Clock } from '../../../src/runtime/index.ts';
import { rawClient } from '../http1/raw-client.ts';
import { answering, counted, get, openBackend, openScene } from './scene.ts';

t.setTimeout(110_000);

/** Timers that are due within a turn of the loop fire at its end. */
function turningClock(): { readonly clock: Clock; turn(ms: number): void } {
  let now = 0;
  let timers: { readonly at: number; readonly action: () => void }[] = [];
  return {
    clock: {
      now: () => now,
      monotonic: () => now,
      after(ms, action) {
        const timer = { at: now + ms, action };
        timers.push(timer);
        return { cancel: () => void (timers = timers.filter((one) => one !== timer)) };
      },
    },
    turn(ms) {
      now += ms;
      const due = timers.filter(({ at }) => at <= now);
      timers = timers.filter(({ at }) => at > now);
      for (const { action } of due) action();
    },
  };
}

t.test('what is overload', async (t) => {
  const { clock, turn } = turningClock();
  let busy = 1;
  const changes: boolean[] = [];
  const overload = watchOverload({
    mostDelayMs: 200,
    busyShare: () => busy,
    clock,
    onChange: (isShedding) => changes.push(isShedding),
  });
  // Each turn of the loop takes so long: a tick that is due within it comes at its end.
  const turns = (ms: number, count: number): void => {
    for (let i = 0; i < count; i++) turn(ms);
  };
  turns(2, 2_000);
  t.same(changes, [], 'a loop that keeps up');
  for (let phase = 0; phase < 100; phase++) {
    turns(3_000, 1);
    turns(2, 600 + 7 * phase);
  }
  t.same(changes, [], 'one long turn, such as a machine that stood still');
  busy = 0.3;
  turns(500, 20);
  t.same(changes, [], 'late, but mostly idle: others have the processor');
  busy = 1;
  turns(500, 20);
  t.same(changes, [true], 'late and busy');
  turns(190, 40);
  t.same(changes, [true], 'a little better is not over');
  turns(20, 400);
  t.same(changes, [true, false], 'over');
  turns(500, 20);
  busy = 0.3;
  turns(500, 20);
  t.same(changes, [true, false, true, false], 'over too, where the loop has less to do');
  overload.stop();
  const never = watchOverload({ mostDelayMs: 0, busyShare: () => 1, clock, onChange: () => t.fail('is off') });
  turns(500, 20);
  t.equal(never.isShedding, false);
});

t.test('a router whose loop is behind', async (t) => {
  const backend = await openBackend(t, answering('web'));
  const scene = await openScene(t, [backend.port], { shedAfterMs: 100 });
  const status = async (): Promise<string> => {
    const client = await rawClient(scene.port);
    client.send(get('/'));
    const [head] = await client.expect(/HTTP[^]*?\r\n\r\n/);
    client.close();
    return head;
  };
  t.match(await status(), /^HTTP\/1\.1 200/);
  const bytes = Buffer.alloc(1 << 20, 'isthmus');
  let isWorking = true;
  const work = (): void => {
    for (const end = performance.now() + 400; performance.now() < end;) gzipSync(bytes);
    if (isWorking) setImmediate(work);
  };
  work();
  const asked = backend.heads.length;
  let shed = '';
  const patienceMs = 30_000;
  for (const end = Date.now() + patienceMs; !shed.startsWith('HTTP/1.1 503') && Date.now() < end;)
    shed = await status();
  isWorking = false;
  t.match(shed, /^HTTP\/1\.1 503 [^]*\r\nRetry-After: \d+\r\n/i);
  t.ok(counted(scene.metrics, 'router_shed_total', {}) >= 1);
  t.ok(backend.heads.length >= asked, 'what was taken before was forwarded');
  let after = '';
  for (const end = Date.now() + patienceMs; !after.startsWith('HTTP/1.1 200') && Date.now() < end;) {
    after = await status();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.match(after, /^HTTP\/1\.1 200/, 'and it recovers');
});
