// Lines of HAProxy about checks that have a counterpart here.

import type { CheckRule } from '../service-record.ts';
import { durationMs } from './haproxy-duration.ts';

type Writable<T> = { -readonly [K in keyof T]?: T[K] };

/** Takes the line into `check`; false: it is not understood. */
export function checkLine(line: string, check: Writable<CheckRule>): boolean {
  if (/^option +httpchk(?: |$)/.test(line)) return requestLine(line, check);
  const [, status] = /^http-check +expect +status +(\d{3})$/.exec(line) ?? [];
  if (status !== undefined) check.expectedStatus = [[Number(status), Number(status)]];
  const [, time] = /^timeout +check +(\S+)$/.exec(line) ?? [];
  const ms = time === undefined ? null : durationMs(time);
  if (ms !== null) check.timeoutMs = ms;
  return status !== undefined || ms !== null || /^timeout +check +\{healthCheckTimeoutSeconds\}s?$/.test(line);
}

/** `option httpchk [METHOD] [PATH] [VERSION and fields]`, the fields behind `\r\n` and with `\ ` for blanks. */
function requestLine(line: string, check: Writable<CheckRule>): boolean {
  const words = line.replace(/^option +httpchk */, '').match(/"[^"]*"|(?:\\.|\S)+/g) ?? [];
  const [method, path, ...rest] = /^[A-Z]+$/.test(words[0] ?? '') ? words : ['', ...words];
  const [version, ...fields] = rest
    .join(' ')
    .replace(/^"(.*)"$/, '$1')
    .replaceAll('\\ ', ' ')
    .split(/\\r\\n/);
  if (path !== undefined && !path.startsWith('/') && path !== '{healthCheckPath}') return false;
  if (version !== '' && !/^HTTP\/1\.[01]$/.test(version ?? '')) return false;
  const pairs = fields
    .filter((field) => field !== '')
    .map((field) => /^([!#$%&'*+.^_`|~\w-]+): *([^{}]*)$/.exec(field));
  if (pairs.some((pair) => pair === null)) return false;
  if (method !== undefined && method !== '') check.method = method;
  if (path?.startsWith('/') === true) check.path = path;
  for (const pair of pairs) {
    const [, name = '', value = ''] = pair ?? [];
    if (name.toLowerCase() === 'host') check.host = value.trim();
    else check.headers = { ...check.headers, [name]: value.trim() };
  }
  return true;
}
