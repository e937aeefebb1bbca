// Words of HAProxy's `server` lines, check options and cookies that have a counterpart here.

import type { CheckRule, ServiceEntry, Sticky } from '../service-record.ts';
import { durationMs } from './haproxy-duration.ts';

type Writable<T> = { -readonly [K in keyof T]?: T[K] };

/** Words of a server line; returns those that mean nothing here. `ssl` without verification is taken at its word. */
export function serverWords(
  line: string,
  service: Writable<ServiceEntry>,
  check: Writable<CheckRule>,
): readonly string[] {
  const words = line
    .split(/\s+/)
    .filter(
      (word) => word !== '' && !/^(\{[\w]+\}|check|server|disabled|maintenance)$/.test(word) && !placeholder.test(word),
    );
  // Whoever offers HTTP/1.1 too gets that.
  const isHttp2 = / (?:proto|alpn) h2(?: |$)/.test(` ${words.join(' ')}`);
  const left: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const value = words[i + 1];
    const number = value !== undefined && /^\d+$/.test(value) ? Number(value) : null;
    const ms = value === undefined ? null : durationMs(value);
    if (word === 'ssl') service.protocol = isHttp2 ? 'h2' : 'https';
    else if (word === 'verify' && value === 'none') service.upstreamTls = { ...service.upstreamTls, insecure: true };
    else if (word === 'verify' && value === 'required')
      service.upstreamTls = { ...service.upstreamTls, insecure: false };
    else if (word === 'ca-file' && value !== undefined)
      service.upstreamTls = { insecure: false, ...service.upstreamTls, ca: value };
    else if (word === 'sni' && value !== undefined && /^str\([^)]+\)$/.test(value))
      service.upstreamTls = { insecure: false, ...service.upstreamTls, serverName: value.slice(4, -1) };
    else if (word === 'maxconn' && number !== null) service.connectionsPerBackend = number;
    else if (word === 'slowstart' && ms !== null) service.slowStartMs = ms;
    else if (word === 'proto' && value === 'h2') service.protocol = words.includes('ssl') ? 'h2' : 'h2c';
    else if (word === 'alpn' && value !== undefined) service.protocol = isHttp2 ? 'h2' : 'https';
    else if (word === 'inter' && ms !== null) check.intervalMs = ms;
    else if (word === 'fall' && number !== null) check.fall = number;
    else if (word === 'rise' && number !== null) check.rise = number;
    else if (word === 'port' && number !== null) check.port = number;
    else if (word === 'weight' && number !== null) continue;
    else if (word === 'check-ssl' || word === 'send-proxy' || word === 'send-proxy-v2') {
      if (word === 'check-ssl') check.secure = true;
      else service.sendProxy = word === 'send-proxy' ? 'v1' : 'v2';
      continue;
    } else {
      left.push(word);
      continue;
    }
    if (word !== 'ssl') i++;
  }
  return left;
}

/** What Marathon-LB fills in: names, addresses, intervals of the app's own check. */
const placeholder =
  /\{(serverName|host_ipv4|port|cookieOptions|healthCheckOptions|otherOptions|healthCheck\w+|shortHashedServerName)\}/;

export function checkLine(line: string, check: Writable<CheckRule>): boolean {
  const [, method, path, host] =
    /^option +httpchk(?: +([A-Z]+))? +(\/\S*)(?: +HTTP\/1\.[01](?:\\r\\nHost:\\? ?(\S+))?)?$/.exec(line) ?? [];
  if (path !== undefined) {
    if (method !== undefined) check.method = method;
    check.path = path;
    if (host !== undefined) check.host = host;
    return true;
  }
  if (/^option +httpchk +GET +\{healthCheckPath\}$/.test(line)) return true;
  const [, status] = /^http-check +expect +status +(\d{3})$/.exec(line) ?? [];
  if (status !== undefined) check.expectedStatus = [[Number(status), Number(status)]];
  const [, time] = /^timeout +check +(\S+)$/.exec(line) ?? [];
  const ms = time === undefined ? null : durationMs(time);
  if (ms !== null) check.timeoutMs = ms;
  return status !== undefined || ms !== null || /^timeout +check +\{/.test(line);
}

export function stickyLine(line: string, sticky: Writable<Sticky>): boolean {
  const [head, name, ...words] = line.split(/\s+/);
  if (head !== 'cookie' || name === undefined || !/^[\w.-]+$/.test(name)) return false;
  const known = new Set([
    'insert',
    'indirect',
    'nocache',
    'postonly',
    'preserve',
    'dynamic',
    'secure',
    'httponly',
    'maxidle',
    'maxlife',
    'domain',
  ]);
  sticky.cookie = name;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (!known.has(word)) return false;
    if (word === 'secure') sticky.secure = 'always';
    if (word === 'httponly') sticky.httpOnly = true;
    if (word === 'domain') sticky.domain = words[++i] ?? '';
    if (word === 'maxidle' || word === 'maxlife') {
      const ms = durationMs(`${words[++i] ?? ''}`.replace(/^(\d+)$/, '$1s'));
      if (ms === null) return false;
      sticky.maxAgeSeconds = Math.round(ms / 1000);
    }
  }
  return true;
}
