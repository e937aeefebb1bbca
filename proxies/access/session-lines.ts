// Lines of a session log in the words of other programs: squid's native format and NCSA's common log format. Both end up in tools that split at
// blanks, so nothing that a client wrote may bring one along.

import type { LogFields } from '../../src/runtime/index.ts';
import { dialectsOf, type FailureReason } from './failure.ts';

export type SessionLineFormat = 'json' | 'squid' | 'common';

/** Where lines go, one session each, with their line feed. */
export interface SessionLog {
  readonly format: SessionLineFormat;
  write(line: string): void;
}

/** A session that has ended. */
export interface EndedSession {
  /** As of its log line. */
  readonly fields: LogFields;
  readonly verdict: 'allow' | 'deny';
  readonly reason: string;
  readonly durationMs: number;
  readonly up: number;
  readonly down: number;
  /** Epoch milliseconds of the end. */
  readonly at: number;
}

export function formatSession(format: SessionLineFormat, session: EndedSession): string {
  if (format === 'squid') return squidLine(session);
  return format === 'common' ? commonLine(session) : jsonLine(session);
}

function jsonLine({ fields, verdict, reason, durationMs, up, down, at }: EndedSession): string {
  return `${JSON.stringify({ time: new Date(at).toISOString(), ...fields, verdict, reason, durationMs, up, down })}\n`;
}

/** `time elapsed client code/status bytes method URL user hierarchy/peer type` (squid's logformat `squid`). */
function squidLine(session: EndedSession): string {
  const { fields, durationMs, down, at } = session;
  const seconds = `${Math.floor(at / 1000)}.${String(at % 1000).padStart(3, '0')}`;
  const result = `${squidCode(session)}/${statusOf(session)}`;
  const route = word(fields['route'], 'direct');
  const way = session.verdict === 'deny' ? 'HIER_NONE' : route === 'direct' ? 'HIER_DIRECT' : 'FIRSTUP_PARENT';
  const peer = session.verdict === 'deny' ? '-' : word(fields['ip']);
  return `${seconds} ${String(durationMs).padStart(6)} ${word(fields['client'])} ${result} ${down} ${method(fields)} ${url(fields)} ${word(fields['user'])} ${way}/${peer} -\n`;
}

function squidCode({ fields, verdict }: EndedSession): string {
  if (verdict === 'deny') return 'TCP_DENIED';
  return fields['proto'] === 'http' ? 'TCP_MISS' : 'TCP_TUNNEL';
}

/** `client - user [date] "METHOD URL PROTOCOL" status bytes`. */
function commonLine(session: EndedSession): string {
  const { fields, down, at } = session;
  const request = `${method(fields)} ${url(fields)} ${word(fields['proto']).toUpperCase()}`;
  const size = down === 0 ? '-' : String(down);
  return `${word(fields['client'])} - ${word(fields['user'])} [${date(new Date(at))}] "${request}" ${statusOf(session)} ${size}\n`;
}

/** What HTTP would say; SOCKS has no number that such a tool knows. */
function statusOf({ fields, verdict, reason }: EndedSession): number {
  const told = fields['status'];
  if (typeof told === 'number') return told;
  return verdict === 'allow' ? 200 : dialectsOf(reason as FailureReason).status;
}

const method = (fields: LogFields): string => word(fields['method'] ?? fields['command'] ?? 'connect').toUpperCase();

/** Without path and query, which the log has none of. */
function url(fields: LogFields): string {
  const target = word(fields['target']);
  const host = target.includes(':') ? `[${target}]` : target;
  const place = fields['port'] === undefined ? host : `${host}:${word(fields['port'])}`;
  return fields['proto'] === 'http' ? `http://${place}/` : place;
}

/** One word of printable ASCII. */
const word = (value: unknown, absent = '-'): string => {
  if (typeof value !== 'string' && typeof value !== 'number') return absent;
  return String(value).replace(/[^!#-[\]-~]/g, (one) => encodeURIComponent(one)) || absent;
};

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function date(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${two(at.getUTCDate())}/${months[at.getUTCMonth()]}/${at.getUTCFullYear()}`;
  return `${day}:${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`;
}
