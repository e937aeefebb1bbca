// Attending one Marathon: attaches to its events, reads the whole, and reads again at each hint and now and then, until something fails.

import { messageOf, sleep, type Clock, type Logger } from '../../runtime/index.ts';
import type { Meters } from '../meters.ts';
import type { Outbox } from '../outbox.ts';
import type { MarathonClient } from './client.ts';
import { readHints, type Hints } from './hints.ts';
import { readMarathon, readMarathonPicture } from './picture.ts';
import type { MarathonTables } from './tables.ts';

/** Every wait of a source, in milliseconds. */
export interface MarathonLimits {
  readonly connectMs: number;
  /** To the head of an answer, and between two pieces of its body. */
  readonly answerMs: number;
  /** Between the first event of a burst and the reading that it causes. */
  readonly gatherMs: number;
  /** Between two readings while events keep coming. */
  readonly apartMs: number;
  /** Between two readings without any event. */
  readonly readMs: number;
  /** The same where there is no stream of events. */
  readonly pollMs: number;
  /** Silence of the stream of events; heartbeats come each 10 s. */
  readonly silenceMs: number;
}

export const marathonLimits: MarathonLimits = {
  connectMs: 5000,
  answerMs: 30_000,
  gatherMs: 50,
  apartMs: 250,
  readMs: 60_000,
  pollMs: 5000,
  silenceMs: 30_000,
};

/** A Marathon that is slow to answer is asked less often: at most a quarter of its time. */
const restFactor = 3;
const retryEventsMs = 300_000;

export interface Attendance {
  /** Of the source. */
  readonly name: string;
  /** Of the framework. */
  readonly marathon: string;
  readonly client: MarathonClient;
  readonly tables: MarathonTables;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meters: Meters;
  readonly limits: MarathonLimits;
}

export interface Attended {
  /** Milliseconds from the first good reading on; 0: there was none. */
  readonly lifeMs: number;
  /** Why it ended; null: only the stream of events is to be tried again. */
  readonly reason: string | null;
}

/** Attends until something fails or `signal` aborts. Never rejects but for bugs. */
export async function attend(base: URL, at: Attendance, signal: AbortSignal): Promise<Attended> {
  const { client, clock, limits, meters } = at;
  let hints: Hints | null = null;
  let since: number | null = null;
  const life = (): number => (since === null ? 0 : Math.max(1, clock.monotonic() - since));
  try {
    const stream = await client.events(base, signal);
    if (stream === null)
      at.log.warn({ source: at.name, url: base.host }, 'Marathon has no stream of events: it is read at intervals');
    hints = readHints(stream, clock, limits.silenceMs, () => meters.event('event'));
    const everyMs = stream === null ? limits.pollMs : limits.readMs;
    const startedAt = clock.monotonic();
    while (!signal.aborted) {
      hints.take();
      const tookMs = await readOnce(base, at, since === null, signal);
      since ??= clock.monotonic();
      const readAt = clock.monotonic();
      await hints.wait(everyMs, signal);
      if (hints.ended !== null) return { lifeMs: life(), reason: `${base.host}: ${hints.ended}` };
      if (stream === null && readAt - startedAt > retryEventsMs) return { lifeMs: life(), reason: null };
      const restMs = Math.max(limits.apartMs, tookMs * restFactor) - (clock.monotonic() - readAt);
      await sleep(clock, Math.max(limits.gatherMs, restMs), signal);
    }
    return { lifeMs: life(), reason: 'stopped' };
  } catch (error) {
    return { lifeMs: life(), reason: messageOf(error) };
  } finally {
    hints?.close();
  }
}

/** One reading, folded and told; returns the milliseconds that it took. */
async function readOnce(base: URL, at: Attendance, isFirst: boolean, signal: AbortSignal): Promise<number> {
  const { client, clock, tables, outbox, meters, name } = at;
  const startedAt = clock.monotonic();
  const marathon = await readMarathon(client, base, at.marathon, signal);
  const picture = await readMarathonPicture(client, base, marathon, (reason) => meters.skipped(reason), signal);
  const events = tables.replace(picture);
  meters.event('reading');
  outbox.put([{ type: 'contact', source: name, at: clock.now() }]);
  outbox.put(isFirst ? [tables.resync()] : events);
  await outbox.room();
  return clock.monotonic() - startedAt;
}
