// Readings of the whole state beside a stream: the stream never tells everything (specs/orchestrator.md §0.1), and executors only
// show here.

import { messageOf, sleep } from '../../runtime/index.ts';
import { objectOf } from '../json.ts';
import { attempt } from './attempt.ts';
import { bodyOf } from './body.ts';
import { decodeMaster } from './decode-cluster.ts';
import { addressOfUrl } from './masters.ts';
import { readPicture } from './read-picture.ts';
import type { MesosLimits, MesosSession } from './session.ts';
import type { RereadWish } from './state.ts';

/** Reads and ticks until `signal` aborts; `leader` is where the stream comes from. */
export async function keepReading(session: MesosSession, leader: URL, signal: AbortSignal): Promise<void> {
  const { clock, limits, random } = session.options;
  let last = session.now;
  let wished: RereadWish = null;
  let wishedAt = last;
  let pauseMs = limits.rereadMs * (0.75 + random() / 2);
  await askMaster(session, leader, signal);
  while (!signal.aborted) {
    await sleep(clock, limits.tickMs, signal);
    if (signal.aborted) break;
    session.tick();
    const wish = session.state.wish;
    if (wish !== wished) wishedAt = session.now;
    wished = wish;
    const isDue =
      session.now - last >= pauseMs || (wish !== null && session.now - Math.max(last, wishedAt) >= wait(wish, limits));
    if (!isDue) continue;
    await readOnce(session, leader, signal);
    last = session.now;
    pauseMs = limits.rereadMs * (0.75 + random() / 2);
  }
}

function wait(wish: Exclude<RereadWish, null>, limits: MesosLimits): number {
  if (wish === 'executors') return limits.executorsMs;
  return wish === 'recovered' ? limits.recoveredMs : limits.doubtMs;
}

/** One GET_STATE, folded as differences. A failure costs nothing but this reading. */
async function readOnce(session: MesosSession, leader: URL, signal: AbortSignal): Promise<void> {
  const { attempts, limits, clock, log, name, meters } = session.options;
  session.state.beginReread();
  const question = { method: 'POST', path: '', body: '{"type":"GET_STATE"}' } as const;
  const outcome = await attempt(leader, question, attempts, signal);
  if (outcome.kind !== 'open') {
    session.state.cancelReread();
    if (!signal.aborted) log.warn({ source: name, reason: outcome.reason }, 'Could not read the whole state of Mesos');
    return;
  }
  try {
    const picture = await readPicture(outcome.response, {
      clock,
      idleMs: limits.idleMs,
      onSkipped: (reason) => session.skipped(reason),
    });
    // The stream that it stood beside is over: its successor's picture is newer.
    if (signal.aborted) return session.state.cancelReread();
    await session.load(picture, false);
    meters.event('GET_STATE');
  } catch (error) {
    session.state.cancelReread();
    if (!signal.aborted)
      log.warn({ source: name, reason: messageOf(error) }, 'Could not read the whole state of Mesos');
  }
}

/** Who leads, as the leader itself says it: its URL may be that of a gateway. */
async function askMaster(session: MesosSession, leader: URL, signal: AbortSignal): Promise<void> {
  const question = { method: 'POST', path: '', body: '{"type":"GET_MASTER"}' } as const;
  const outcome = await attempt(leader, question, session.options.attempts, signal);
  if (outcome.kind !== 'open') return;
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of bodyOf(outcome.response)) chunks.push(chunk as Buffer);
    const answer: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    const said = decodeMaster(objectOf(objectOf(answer)['get_master'])['master_info']);
    if (said !== null && addressOfUrl(leader) === null) session.masters(said);
  } catch (error) {
    session.options.log.debug({ source: session.options.name, reason: messageOf(error) }, 'Could not ask who leads');
  }
}
