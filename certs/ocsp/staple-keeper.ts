// Keeps the states of certificates that name a responder: asked ahead, verified, renewed at half of their time, never waited for by a
// handshake. Kept in memory: after a restart they are asked again.

import { X509Certificate } from 'node:crypto';
import type * as Undici from 'undici';
import {
  createBackoff,
  messageOf,
  onDemand,
  type Backoff,
  type Clock,
  type Logger,
  type Random,
} from '../../src/runtime/index.ts';
import { parseCertificates } from '../check-certificate.ts';
import { isRefused } from '../refused.ts';
import type { ServedCertificate } from '../tls-material.ts';
import { readStatusAnswer } from './status-answer.ts';
import { responderOf, statusRequest, type StatusRequest } from './status-request.ts';

const undici = onDemand<typeof Undici>('undici');

export interface StapleKeeper {
  /** These are served from now on. */
  follow(certificates: readonly ServedCertificate[]): void;
  /** Certificate's id to what is stapled for it: DER, base64. */
  staples(): Readonly<Record<string, string>>;
  stop(): void;
}

export interface StapleKeeperOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** `staples()` is another one. */
  readonly onChange: () => void;
}

/** A certificate whose state is asked for. */
interface Watched {
  readonly name: string;
  readonly url: string;
  readonly issuer: X509Certificate;
  readonly question: StatusRequest;
  readonly abort: AbortController;
  readonly backoff: Backoff;
  staple: { readonly text: string; readonly untilMs: number } | null;
}

const answerMs = 15_000;
const mostBytes = 65_536;
const leastWaitMs = 60_000;
const mostWaitMs = 4 * 86_400_000;
const retryMs = { firstMs: 60_000, mostMs: 3_600_000 };

export function createStapleKeeper(options: StapleKeeperOptions): StapleKeeper {
  const { clock, random, log, onChange } = options;
  const watched = new Map<string, Watched>();

  const settle = (one: Watched, staple: Watched['staple']): void => {
    const isNews = one.staple?.text !== staple?.text;
    one.staple = staple;
    if (isNews) onChange();
  };
  const ask = async (one: Watched): Promise<number> => {
    const bytes = await fetchAnswer(one.url, one.question.body, one.abort.signal);
    const answer = readStatusAnswer(bytes, one.question, one.issuer, clock.now());
    if ('refused' in answer) throw new Error(answer.refused);
    if (answer.status === 'revoked') {
      log.error({ name: one.name, responder: one.url }, 'a certificate is revoked; replace it');
      settle(one, null);
      return mostWaitMs;
    }
    const { thisUpdate, nextUpdate } = answer;
    if (answer.status !== 'good' || nextUpdate === null)
      throw new Error(`its state is ${answer.status}, without an end`);
    one.backoff.reset();
    settle(one, { text: bytes.toString('base64'), untilMs: nextUpdate });
    // At half of its time, and not all at the same moment.
    const waitMs = (nextUpdate - thisUpdate) * (0.5 + random() * 0.1) - (clock.now() - thisUpdate);
    return Math.min(mostWaitMs, Math.max(leastWaitMs, waitMs));
  };
  const keep = async (one: Watched): Promise<void> => {
    while (!one.abort.signal.aborted) {
      let waitMs: number;
      try {
        waitMs = await ask(one);
      } catch (error) {
        if (one.abort.signal.aborted) return;
        log.warn({ name: one.name, responder: one.url, reason: messageOf(error) }, 'no OCSP answer to staple');
        waitMs = Math.max(1_000, one.backoff.next());
      }
      // What runs out meanwhile goes at its end.
      const leftMs = one.staple === null ? Infinity : one.staple.untilMs - clock.now();
      await pause(clock, Math.min(waitMs, Math.max(leftMs, 0)), one.abort.signal);
      if (one.staple !== null && one.staple.untilMs <= clock.now()) settle(one, null);
    }
  };
  return {
    follow(certificates) {
      const ids = new Set(certificates.map(({ id }) => id));
      for (const [id, one] of watched) {
        if (ids.has(id)) continue;
        one.abort.abort();
        watched.delete(id);
      }
      for (const certificate of certificates) {
        if (watched.has(certificate.id)) continue;
        const question = questionFor(certificate);
        if (question === null) continue;
        const backoff = createBackoff({ ...retryMs, random });
        const one: Watched = { ...question, abort: new AbortController(), backoff, staple: null };
        watched.set(certificate.id, one);
        void keep(one);
      }
    },
    staples: () =>
      Object.fromEntries([...watched].flatMap(([id, { staple }]) => (staple === null ? [] : [[id, staple.text]]))),
    stop() {
      for (const { abort } of watched.values()) abort.abort();
      watched.clear();
    },
  };
}

/** Null: it names no responder, or its issuer is not known. */
function questionFor({
  chain,
  names,
}: ServedCertificate): Pick<Watched, 'name' | 'url' | 'issuer' | 'question'> | null {
  const parsed = parseCertificates(chain);
  if (isRefused(parsed)) return null;
  const [leaf, issuer] = parsed;
  const url = leaf === undefined ? null : responderOf(leaf);
  if (leaf === undefined || issuer === undefined || url === null) return null;
  return { name: names[0] ?? '', url, issuer, question: statusRequest(leaf, issuer) };
}

/** Whether a certificate's state may be stapled at all. */
export const namesResponder = ({ chain }: ServedCertificate): boolean =>
  responderOf(new X509Certificate(chain)) !== null;

async function fetchAnswer(url: string, body: Buffer, signal: AbortSignal): Promise<Buffer> {
  const answer = await undici().request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/ocsp-request', accept: 'application/ocsp-response' },
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
    // A connection of its own: nobody keeps one for a question a day.
    reset: true,
  });
  const parts: Buffer[] = [];
  let octets = 0;
  for await (const part of answer.body as AsyncIterable<Buffer>) {
    octets += part.length;
    if (octets > mostBytes) throw new Error('the answer is too long');
    parts.push(part);
  }
  if (answer.statusCode !== 200) throw new Error(`the responder answered with status ${answer.statusCode}`);
  return Buffer.concat(parts);
}

function pause(clock: Clock, waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(waitMs, done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
