// Polling: `GET /state` again and again, for masters that have no usable stream. Same state, same guard, same events.

import { messageOf, sleep } from '../../runtime/index.ts';
import { attempt, type Outcome } from './attempt.ts';
import { addressOfUrl } from './masters.ts';
import { race } from './race.ts';
import { readPicture } from './read-picture.ts';
import type { MesosSession } from './session.ts';

const question = { method: 'GET', path: '/state', body: null } as const;

/** Polls until a reading fails, `signal` aborts, or the stream should be tried again; says why. */
export async function pollState(
  session: MesosSession,
  signal: AbortSignal,
): Promise<{ readonly readings: number; readonly reason: string }> {
  const { clock, limits, random } = session.options;
  const endsAt = session.now + limits.retryStreamMs;
  let readings = 0;
  while (!signal.aborted) {
    const problem = await readOnce(session, readings === 0, signal);
    if (problem !== null) return { readings, reason: problem };
    readings++;
    if (session.now >= endsAt) return { readings, reason: 'the stream is tried again' };
    await sleep(clock, limits.pollMs * (0.9 + random() / 5), signal);
    session.tick();
  }
  return { readings, reason: 'stopped' };
}

/** One reading from whichever master answers first; a text says why it failed. */
async function readOnce(session: MesosSession, isFirst: boolean, signal: AbortSignal): Promise<string | null> {
  const { attempts, clock, limits, masters, meters } = session.options;
  const outcome: Outcome = await race(
    masters,
    (master, cut, claim) => attempt(master, question, attempts, cut, claim),
    { clock, staggerMs: limits.staggerMs },
    signal,
  );
  if (outcome.kind !== 'open') return outcome.reason;
  try {
    const picture = await readPicture(outcome.response, {
      clock,
      idleMs: limits.idleMs,
      onSkipped: (reason) => session.skipped(reason),
    });
    session.contact();
    session.masters(picture.leader ?? addressOfUrl(outcome.url));
    await session.load(picture, isFirst);
    await session.options.outbox.room();
    meters.event('state');
    return null;
  } catch (error) {
    return `${outcome.url.host}: ${messageOf(error)}`;
  }
}
