// The access log: one line a request, gathered and written in batches. Values from clients are escaped, so that nobody writes our lines.

import { coalesce, type Clock } from '../../src/runtime/index.ts';

export type AccessLogFormat = 'json' | 'common' | 'combined';

export interface AccessLogOptions {
  readonly format: AccessLogFormat;
  /** Takes whole lines. Must not block; false: it is full, and lines are dropped until it takes again. */
  write(lines: string): boolean | void;
}

export interface AccessEntry {
  readonly requestId: string;
  readonly clientAddress: string;
  readonly peerAddress: string;
  readonly method: string;
  readonly authority: string;
  readonly target: string;
  /** 10, 11 or 20. */
  readonly version: number;
  readonly status: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  readonly route: string;
  readonly appId: string;
  readonly server: string;
  readonly task: string;
  readonly retries: number;
  readonly outcome: string;
  readonly userAgent: string;
  readonly referer: string;
}

export interface AccessLog {
  add(entry: AccessEntry): void;
  /** Writes what is gathered. */
  flush(): void;
}

const gatherMs = 100;
const gatherBytes = 64 * 1024;

export function createAccessLog(options: AccessLogOptions, clock: Clock): AccessLog {
  let lines = '';
  const flush = (): void => {
    const batch = lines;
    lines = '';
    if (batch !== '') options.write(batch);
  };
  const batch = coalesce(clock, gatherMs, flush);
  const format =
    options.format === 'json'
      ? jsonLine
      : (entry: AccessEntry, at: Date) => clfLine(entry, at, options.format === 'combined');
  return {
    add(entry) {
      lines += format(entry, new Date(clock.now()));
      if (lines.length >= gatherBytes) flush();
      else batch.request();
    },
    flush,
  };
}

function jsonLine(entry: AccessEntry, at: Date): string {
  const query = entry.target.indexOf('?');
  return `${asciiJson({
    time: at.toISOString(),
    request_id: entry.requestId,
    client_addr: entry.clientAddress,
    peer_addr: entry.peerAddress,
    protocol: protocolOf(entry.version),
    method: entry.method,
    host: entry.authority,
    path: query < 0 ? entry.target : entry.target.slice(0, query),
    query: query < 0 ? '' : entry.target.slice(query + 1),
    status: entry.status,
    bytes_in: entry.bytesIn,
    bytes_out: entry.bytesOut,
    duration_ms: Math.round(entry.durationMs * 1000) / 1000,
    route: entry.route,
    app_id: entry.appId,
    task_id: entry.task,
    server: entry.server,
    retries: entry.retries,
    outcome: entry.outcome,
    user_agent: entry.userAgent,
    referer: entry.referer,
  })}\n`;
}

/** JSON.stringify escapes quotes and C0; DEL and all beyond ASCII are escaped too, as viewers disagree on them. */
function asciiJson(fields: Readonly<Record<string, string | number>>): string {
  return JSON.stringify(fields).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** NCSA common log format, or combined. */
function clfLine(entry: AccessEntry, at: Date, combined: boolean): string {
  const request = `${entry.method} ${entry.target} ${protocolOf(entry.version)}`;
  const line = `${entry.clientAddress} - - [${clfDate(at)}] "${quoted(request)}" ${entry.status} ${entry.bytesOut === 0 ? '-' : entry.bytesOut}`;
  return combined ? `${line} "${quoted(entry.referer || '-')}" "${quoted(entry.userAgent || '-')}"\n` : `${line}\n`;
}

const quoted = (text: string): string =>
  text.replace(/["\\]|[^\x20-\x7e]/g, (char) =>
    char === '"' || char === '\\' ? `\\${char}` : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );

const protocolOf = (version: number): string => (version === 20 ? 'HTTP/2' : `HTTP/1.${version - 10}`);

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function clfDate(at: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  const time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
  return `${two(at.getUTCDate())}/${months[at.getUTCMonth()] ?? ''}/${at.getUTCFullYear()}:${time} +0000`;
}
