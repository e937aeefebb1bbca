// Subscribing: finds the leader, follows its stream, and starts over when it ends (specs/orchestrator.md §1.12).

import type { IncomingMessage } from 'node:http';
import { createBackoff, type Backoff } from '../../runtime/index.ts';
import { attempt, type Outcome } from './attempt.ts';
import { addressOfUrl } from './masters.ts';
import { pollState } from './poll.ts';
import { race } from './race.ts';
import { keepReading } from './reread.ts';
import type { MesosSession } from './session.ts';
import { readStream } from './stream.ts';

const question = { method: 'POST', path: '/api/v1', body: '{"type":"SUBSCRIBE"}' } as const;
const firstBackoffMs = 1000;
const mostBackoffMs = 30_000;
/** Streams that die young, one after the other: a master that evicts its oldest subscriber does that to all of them. */
const firstYoungMs = 250;
/** A stream that lived this long was a good one. */
const goodLifeMs = 60_000;
/** An election takes seconds: the first looks come fast, so that a new leader is found within one more. */
const eagerLooks = 6;
const eagerWaitMs = 250;
const leaderWaitMs = 1000;

/** Follows the cluster until `signal` aborts. `mode` poll: never by stream. */
export async function follow(session: MesosSession, mode: 'stream' | 'poll', signal: AbortSignal): Promise<void> {
  const waits = new Waits(session);
  let last: URL | null = null;
  let rounds = 0;
  while (!signal.aborted) {
    if (rounds++ > 0) session.options.meters.reconnect();
    const outcome: Outcome | undefined =
      mode === 'poll' ? undefined : await find(session, lastOf(session.options.masters, last), signal);
    if (outcome?.kind === 'open') {
      last = outcome.url;
      await waits.afterStream(await oneStream(session, outcome.response, outcome.url, signal), signal);
      continue;
    }
    if (outcome === undefined || outcome.why === 'unsupported' || outcome.why === 'denied') {
      const polled = await pollState(session, signal);
      if (polled.readings > 0) waits.succeeded();
      if (signal.aborted || polled.reason === 'the stream is tried again') continue;
      session.lost(outcome === undefined ? polled.reason : outcome.reason);
      await waits.afterRound(false, signal);
      continue;
    }
    if (signal.aborted) break;
    session.lost(outcome.reason);
    await waits.afterRound(outcome.why === 'no-leader', signal);
  }
}

function find(session: MesosSession, masters: readonly URL[], signal: AbortSignal): Promise<Outcome> {
  const { attempts, clock, limits } = session.options;
  return race(
    masters,
    (master, cut, claim) => attempt(master, question, attempts, cut, claim),
    { clock, staggerMs: limits.staggerMs },
    signal,
  );
}

/** The one that led goes to the end: it is the least likely to lead again. */
function lastOf(masters: readonly URL[], url: URL | null): readonly URL[] {
  if (url === null) return masters;
  return [
    ...masters.filter((master) => master.host !== url.host),
    ...masters.filter((master) => master.host === url.host),
  ];
}

/** One stream from its head to its end, with the readings beside it. Returns how long it was good for. */
async function oneStream(
  session: MesosSession,
  response: IncomingMessage,
  url: URL,
  signal: AbortSignal,
): Promise<number> {
  const startedAt = session.now;
  const ended = new AbortController();
  const stop = (): void => void response.destroy();
  signal.addEventListener('abort', stop, { once: true });
  let reading: Promise<void> = Promise.resolve();
  const remote = response.socket.remoteAddress;
  const leader =
    addressOfUrl(url) ??
    (remote === undefined ? null : { ip: remote.replace(/^::ffff:/, ''), port: Number(url.port || 80) });
  session.masters(leader);
  let subscribed = false;
  const reason = await readStream(session, response, () => {
    subscribed = true;
    session.contact();
    session.options.log.info({ source: session.options.name, master: url.host }, 'Following Mesos');
    reading = keepReading(session, url, ended.signal);
  });
  signal.removeEventListener('abort', stop);
  ended.abort();
  await reading;
  if (!signal.aborted) session.lost(`${url.host}: ${reason}`);
  return subscribed ? session.now - startedAt : 0;
}

/** How long to wait before which round. */
class Waits {
  readonly #session: MesosSession;
  readonly #backoff: Backoff;
  readonly #youngBackoff: Backoff;
  #young = 0;
  #looks = 0;

  constructor(session: MesosSession) {
    this.#session = session;
    const { random } = session.options;
    this.#backoff = createBackoff({ firstMs: firstBackoffMs, mostMs: mostBackoffMs, random });
    this.#youngBackoff = createBackoff({ firstMs: firstYoungMs, mostMs: mostBackoffMs, random });
  }

  succeeded(): void {
    this.#backoff.reset();
    this.#looks = 0;
  }

  /** The other masters are asked at once, unless streams keep dying young. */
  async afterStream(lifeMs: number, signal: AbortSignal): Promise<void> {
    this.#looks = 0;
    if (lifeMs >= goodLifeMs) {
      this.#backoff.reset();
      this.#youngBackoff.reset();
      this.#young = 0;
      return;
    }
    if (lifeMs > 0 && this.#young++ === 0) return;
    await this.#session.rest(this.#youngBackoff.next(), signal);
  }

  /** After a full round without a stream. */
  async afterRound(noLeader: boolean, signal: AbortSignal): Promise<void> {
    const { random } = this.#session.options;
    const wait = !noLeader
      ? this.#backoff.next()
      : (this.#looks++ < eagerLooks ? eagerWaitMs : leaderWaitMs) * (1 + random());
    await this.#session.rest(wait, signal);
  }
}
