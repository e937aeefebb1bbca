// Upstream DNS servers of one suffix: which to ask first. Failures count against a server, less and less as time goes by.

import { splitHostPort } from '../../src/cluster/index.ts';
import { canonicalAddress } from '../wire/index.ts';

export interface Upstream {
  readonly ip: string;
  readonly port: number;
  /** Failures, as they counted at `scoredMs`. */
  score: number;
  /** Monotonic milliseconds. */
  scoredMs: number;
  /** Smoothed time that an answer takes, in milliseconds; null before the first. */
  answerMs: number | null;
}

/** After as long a failure counts for half. */
const halfLifeMs = 10_000;
/** Less than this much of a failure is forgiven. */
const forgiven = 0.55;

/** `ip`, `ip:port` or `[ip6]:port`; port 53 unless given. Null if it is none of these: upstreams have no names to resolve. */
export function parseUpstream(text: string): Upstream | null {
  const whole = canonicalAddress(text.replace(/^\[(.*)\]$/, '$1'));
  const split = whole === null ? splitHostPort(text) : { host: whole, port: 53 };
  const ip = split === null ? null : canonicalAddress(split.host);
  if (split === null || ip === null || split.port === 0) return null;
  return { ip, port: split.port, score: 0, scoredMs: 0, answerMs: null };
}

/** The fewest failures first; the configured order where there are none, or as many. */
export function byPreference(upstreams: readonly Upstream[], nowMs: number): Upstream[] {
  const rank = (upstream: Upstream): number => {
    const score = scoreAt(upstream, nowMs);
    return score <= forgiven ? 0 : Math.ceil(score);
  };
  return [...upstreams].sort((a, b) => rank(a) - rank(b));
}

function scoreAt({ score, scoredMs }: Upstream, nowMs: number): number {
  return score === 0 ? 0 : score * 2 ** ((scoredMs - nowMs) / halfLifeMs);
}

export function penalise(upstream: Upstream, nowMs: number): void {
  upstream.score = scoreAt(upstream, nowMs) + 1;
  upstream.scoredMs = nowMs;
}

/** It answered after `elapsedMs`: half of what counts against it is forgiven. */
export function reward(upstream: Upstream, nowMs: number, elapsedMs: number): void {
  upstream.score = scoreAt(upstream, nowMs) / 2;
  upstream.scoredMs = nowMs;
  upstream.answerMs = upstream.answerMs === null ? elapsedMs : upstream.answerMs * 0.75 + elapsedMs * 0.25;
}

/** How long to wait for an answer before another server is asked too. */
export function patience({ answerMs }: Upstream): number {
  return answerMs === null ? 300 : Math.min(1000, Math.max(50, answerMs * 4));
}
