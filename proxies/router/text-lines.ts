// Lines of the access log as other programs write them: NCSA's, Traefik 1.7's and HAProxy's.

import type { FieldList } from '../http1/index.ts';
import { protocolOf, targetOf, type AccessEntry } from './access-entry.ts';

/** `atMs`: when the request was over, in epoch milliseconds. */
export type LineFormat = (entry: AccessEntry, atMs: number) => string;

const fieldOf = (fields: FieldList | undefined, name: string): string => fields?.get(name) || '-';

const requestLine = ({ request }: AccessEntry): string =>
  quoted(`${request?.method ?? '-'} ${targetOf(request)} ${protocolOf(request?.version ?? 11)}`);

/** NCSA common log format, or combined. */
function clfLine(entry: AccessEntry, at: Date, combined: boolean): string {
  const line = `${entry.clientAddress} - - [${clfDate(at)}] "${requestLine(entry)}" ${entry.status} ${entry.bytesOut === 0 ? '-' : entry.bytesOut}`;
  if (!combined) return line;
  const fields = entry.request?.fields;
  return `${line} "${quoted(fieldOf(fields, 'referer'))}" "${quoted(fieldOf(fields, 'user-agent'))}"`;
}

export const commonLine: LineFormat = (entry, atMs) => `${clfLine(entry, new Date(atMs), false)}\n`;
export const combinedLine: LineFormat = (entry, atMs) => `${clfLine(entry, new Date(atMs), true)}\n`;

/** Traefik 1.7's: combined, then a running count, frontend, server and milliseconds. */
export function traefikLines(): LineFormat {
  let count = 0;
  return (entry, atMs) => {
    const server = entry.backend === null ? '-' : `http://${quoted(entry.backend.key)}`;
    const line = clfLine(entry, new Date(atMs), true);
    return `${line} ${++count} "${quoted(entry.route?.id ?? '-')}" "${server}" ${Math.round(entry.durationMs)}ms\n`;
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
export const haproxyLine: LineFormat = (entry, atMs) => {
  const ms = (value: number): number => (value < 0 ? -1 : Math.round(value));
  const times = `0/0/${ms(entry.connectMs)}/${ms(entry.answerMs)}/${ms(entry.durationMs)}`;
  const frontend = `${entry.route?.id.split(':')[0] ?? 'http'}${entry.peer.secure ? '~' : ''}`;
  const backend = `${quoted(entry.route?.service.name ?? '<NOSRV>')}/${quoted(entry.serverName || '<NOSRV>')}`;
  const end = terminations[entry.outcome] ?? '----';
  return `${entry.clientAddress}:${entry.peer.port} [${haproxyDate(new Date(atMs))}] ${frontend} ${backend} ${times} ${entry.status} ${entry.bytesOut} - - ${end} 0/0/0/0/${entry.retries} 0/0 "${requestLine(entry)}"\n`;
};

function quoted(text: string): string {
  return text.replace(/["\\]|[^\x20-\x7e]/g, (char) =>
    char === '"' || char === '\\' ? `\\${char}` : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const two = (number: number): string => String(number).padStart(2, '0');

/** `06/Feb/2026:12:14:14.655`, in UTC. */
const haproxyDate = (at: Date): string =>
  `${clfDate(at).replace(/ .*$/, '')}.${String(at.getUTCMilliseconds()).padStart(3, '0')}`;

function clfDate(at: Date): string {
  const time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
  return `${two(at.getUTCDate())}/${months[at.getUTCMonth()] ?? ''}/${at.getUTCFullYear()}:${time} +0000`;
}
