// Upstream DNS servers of one suffix: which to ask first. One that failed goes behind the others for a while; then it is forgiven.

import { splitHostPort } from '../../src/cluster/index.ts';
import { canonicalAddress } from '../wire/index.ts';

export interface Upstream {
  readonly ip: string;
  readonly port: number;
  /** Monotonic milliseconds until which others are preferred. */
  penaltyUntil: number;
}

const penaltyMs = 10_000;

/** `ip`, `ip:port` or `[ip6]:port`; port 53 unless given. Null if it is none of these: upstreams have no names to resolve. */
export function parseUpstream(text: string): Upstream | null {
  const whole = canonicalAddress(text.replace(/^\[(.*)\]$/, '$1'));
  const split = whole === null ? splitHostPort(text) : { host: whole, port: 53 };
  const ip = split === null ? null : canonicalAddress(split.host);
  return split === null || ip === null || split.port === 0 ? null : { ip, port: split.port, penaltyUntil: -Infinity };
}

/** In the configured order, those with a penalty last. */
export function byPreference(upstreams: readonly Upstream[], nowMs: number): Upstream[] {
  return [...upstreams].sort((a, b) => Number(a.penaltyUntil > nowMs) - Number(b.penaltyUntil > nowMs));
}

export function penalise(upstream: Upstream, nowMs: number): void {
  upstream.penaltyUntil = nowMs + penaltyMs;
}
