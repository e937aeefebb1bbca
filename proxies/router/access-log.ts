// The access log: one line a request, gathered and written in batches. Values from clients are escaped, so that nobody writes our lines.

import { coalesce, type Clock } from '../../src/runtime/index.ts';

export type AccessLogFormat = 'json' | 'common' | 'combined' | 'haproxy' | 'traefik';

export interface AccessLogOptions {
  readonly format: AccessLogFormat;
  /** Takes whole lines. Must not block; false: it is full, and lines are dropped until it takes again. */
  write(lines: string): boolean | void;
}

export interface AccessEntry {
  readonly requestId: string;
  readonly clientAddress: string;
  readonly clientPort: number;
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
  /** To a connection to the backend, and from there to the head of its answer; -1 where it did not come to that. */
  readonly connectMs: number;
  readonly answerMs: number;
  readonly secure: boolean;
  readonly route: string;
  readonly service: string;
  readonly appId: string;
  /** `host:port`, and Marathon-LB's name of it. */
  readonly server: string;
  readonly serverName: string;
  readonly task: string;
  readonly retries: number;
  readonly outcome: string;
  /** Of a valid traceparent; '' otherwise. */
  readonly traceId: string;
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
  const format = lineFormats[options.format];
  return {
    add(entry) {
      lines += format(entry, new Date(clock.now()));
      if (lines.length >= gatherBytes) flush();
      else batch.request();
    },
    flush,
  };
}

type LineFormat = (entry: AccessEntry, at: Date) => string;

function jsonLine(entry: AccessEntry, at: Date): string {
  const query = entry.target.indexOf('?');
  return `${asciiJson({
    time: at.toISOString(),
    request_id: entry.requestId,
    ...(entry.traceId === '' ? {} : { trace_id: entry.traceId }),
    client_addr: entry.clientAddress,
    peer_addr: entry.peerAddress,
    protocol: protocolOf(entry.version),
    scheme: entry.secure ? 'https' : 'http',
    method: entry.method,
    host: entry.authority,
    path: query < 0 ? entry.target : entry.target.slice(0, query),
    query: query < 0 ? '' : entry.target.slice(query + 1),
    status: entry.status,
    bytes_in: entry.bytesIn,
    bytes_out: entry.bytesOut,
    duration_ms: rounded(entry.durationMs),
    ...(entry.connectMs < 0 ? {} : { connect_ms: rounded(entry.connectMs) }),
    ...(entry.answerMs < 0 ? {} : { ttfb_ms: rounded(entry.answerMs) }),
    route: entry.route,
    service: entry.service,
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

/** Traefik 1.7's: combined, then a running count, frontend, server and milliseconds. */
function traefikLines(): LineFormat {
  let count = 0;
  return (entry, at) => {
    const server = entry.server === '' ? '-' : `http://${entry.server}`;
    const line = clfLine(entry, at, true).trimEnd();
    return `${line} ${++count} "${quoted(entry.route || '-')}" "${server}" ${Math.round(entry.durationMs)}ms\n`;
  };
}

/** Termination states of HAProxy's log (its manual, §8.5) for what we know of an end. */
const terminations: Readonly<Record<string, string>> = {
  client_abort: 'CD--',
  no_server: 'SC--',
  connect_failed: 'SC--',
  timeout_header: 'sH--',
  timeout_idle: 'sD--',
  timeout_request: 'sD--',
  reset: 'SD--',
  denied: 'PR--',
  limited: 'PR--',
};

/** HAProxy's httplog. Counts of connections are not kept for each line: they are zeros. */
function haproxyLine(entry: AccessEntry, at: Date): string {
  const ms = (value: number): number => (value < 0 ? -1 : Math.round(value));
  const times = `0/0/${ms(entry.connectMs)}/${ms(entry.answerMs)}/${ms(entry.durationMs)}`;
  const frontend = `${entry.route.split(':')[0] || 'http'}${entry.secure ? '~' : ''}`;
  const backend = `${quoted(entry.service || '<NOSRV>')}/${quoted(entry.serverName || '<NOSRV>')}`;
  const request = `${entry.method} ${entry.target} ${protocolOf(entry.version)}`;
  const end = terminations[entry.outcome] ?? '----';
  return `${entry.clientAddress}:${entry.clientPort} [${haproxyDate(at)}] ${frontend} ${backend} ${times} ${entry.status} ${entry.bytesOut} - - ${end} 0/0/0/0/${entry.retries} 0/0 "${quoted(request)}"\n`;
}

const lineFormats: Readonly<Record<AccessLogFormat, LineFormat>> = {
  json: jsonLine,
  common: (entry, at) => clfLine(entry, at, false),
  combined: (entry, at) => clfLine(entry, at, true),
  haproxy: haproxyLine,
  traefik: traefikLines(),
};

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;

function quoted(text: string): string {
  return text.replace(/["\\]|[^\x20-\x7e]/g, (char) =>
    char === '"' || char === '\\' ? `\\${char}` : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

const protocolOf = (version: number): string => (version === 20 ? 'HTTP/2' : `HTTP/1.${version - 10}`);

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const two = (number: number): string => String(number).padStart(2, '0');

/** `06/Feb/2026:12:14:14.655`, in UTC. */
const haproxyDate = (at: Date): string =>
  `${clfDate(at).replace(/ .*$/, '')}.${String(at.getUTCMilliseconds()).padStart(3, '0')}`;

function clfDate(at: Date): string {
  const time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
  return `${two(at.getUTCDate())}/${months[at.getUTCMonth()] ?? ''}/${at.getUTCFullYear()}:${time} +0000`;
}
