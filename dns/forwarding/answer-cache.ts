// Replies of upstreams, for as long as their records live. Bounded in number and in size of a reply; the longest unused goes first.

import type { Clock } from '../../src/runtime/index.ts';
import { rcode, rrType, type Layout } from '../wire/index.ts';

export interface Reply {
  readonly bytes: Buffer;
  readonly layout: Layout;
  /** Seconds since it came, to be taken from its TTLs. */
  readonly ageSeconds: number;
  /** Past its lifetime, given because no upstream answers (RFC 8767). */
  readonly isStale?: true;
}

export interface AnswerCache {
  get(key: string): Reply | null;
  /** What is past its lifetime, for no longer than `staleForMs`. */
  stale(key: string): Reply | null;
  /** No upstream answered: for a while what is stale is given without asking again. */
  holdStale(key: string): void;
  put(key: string, bytes: Buffer, layout: Layout): void;
  readonly size: number;
}

interface Entry {
  readonly bytes: Buffer;
  readonly layout: Layout;
  readonly storedMs: number;
  readonly expiresMs: number;
  /** Until when upstreams need not be asked although it is stale. */
  holdUntilMs: number;
}

const largestReply = 4096;
const longestSeconds = 3600;
const longestDenialSeconds = 300;
/** Before upstreams that did not answer are asked again (RFC 8767 §5). */
const holdMs = 30_000;

export function createAnswerCache(clock: Clock, mostEntries: number, staleForMs = 0): AnswerCache {
  const entries = new Map<string, Entry>();
  const replyOf = ({ bytes, layout, storedMs }: Entry, now: number): Reply => ({
    bytes,
    layout,
    ageSeconds: Math.floor((now - storedMs) / 1000),
  });
  const stale = (key: string): Reply | null => {
    const entry = entries.get(key);
    const now = clock.monotonic();
    if (entry === undefined || now < entry.expiresMs || now >= entry.expiresMs + staleForMs) return null;
    return { ...replyOf(entry, now), isStale: true };
  };
  return {
    stale,
    holdStale(key) {
      const entry = entries.get(key);
      if (entry !== undefined) entry.holdUntilMs = clock.monotonic() + holdMs;
    },
    get size() {
      return entries.size;
    },
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return null;
      const now = clock.monotonic();
      if (now >= entry.expiresMs) {
        if (now >= entry.expiresMs + staleForMs) entries.delete(key);
        return now < entry.holdUntilMs ? stale(key) : null;
      }
      entries.delete(key);
      entries.set(key, entry);
      return replyOf(entry, now);
    },
    put(key, bytes, layout) {
      const seconds = lifetime(bytes, layout);
      if (seconds <= 0 || bytes.length > largestReply || mostEntries <= 0) return;
      const now = clock.monotonic();
      entries.delete(key);
      // The reply came in a larger buffer of the socket's; only its own octets are kept.
      const expiresMs = now + seconds * 1000;
      entries.set(key, { bytes: Buffer.from(bytes), layout, storedMs: now, expiresMs, holdUntilMs: 0 });
      if (entries.size <= mostEntries) return;
      for (const oldest of entries.keys()) {
        entries.delete(oldest);
        break;
      }
    },
  };
}

/** Seconds for which a reply holds: its shortest TTL, or for a denial what its SOA allows (RFC 2308 §5). 0: not to be kept. */
function lifetime(bytes: Buffer, layout: Layout): number {
  const code = bytes.readUInt16BE(2) & 15;
  if ((code !== rcode.noError && code !== rcode.nxDomain) || (bytes.readUInt16BE(2) & 0x0200) !== 0) return 0;
  const hasAnswer = layout.records.some(({ section }) => section === 'answer');
  let seconds = hasAnswer && code === rcode.noError ? longestSeconds : 0;
  for (const { fixed, end, type, section } of layout.records) {
    if (type !== rrType.SOA || section !== 'authority' || seconds > 0 || end - fixed < 32) continue;
    seconds = Math.min(longestDenialSeconds, bytes.readUInt32BE(end - 4));
  }
  for (const { fixed, type } of layout.records) {
    // RFC 2181 §8: a TTL with its top bit set reads as zero.
    if (type !== rrType.OPT) seconds = Math.min(seconds, Math.max(0, bytes.readInt32BE(fixed + 4)));
  }
  return seconds;
}
