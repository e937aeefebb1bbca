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
  const words = line.split(/\s+/).filter((word) => word !== '' && !placeholder.test(word));
  const whole = ` ${line.replace(/\s+/g, ' ')} `;
  // Whoever offers HTTP/1.1 too gets that.
  const isHttp2 = / (?:proto|alpn) h2 /.test(whole);
  const isFilledIn = (word: string): boolean => new RegExp(` ${word} \\{`).test(whole);
  const left: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const [word = '', value] = words.slice(i);
    if (isFlag(word, isHttp2, service, check)) continue;
    if (fromCheck.test(word) && isFilledIn(word)) continue;
    if (value !== undefined && isPair(word, value, isHttp2, words.includes('ssl'), service, check)) i++;
    else left.push(word);
  }
  return left;
}

const fromCheck = /^(?:inter|fall|rise|port)$/;

function isFlag(word: string, isHttp2: boolean, service: Writable<ServiceEntry>, check: Writable<CheckRule>): boolean {
  if (word === 'ssl') service.protocol = isHttp2 ? 'h2' : 'https';
  // All servers of the port are backups of nothing: the first that lives has it all.
  else if (word === 'backup') service.balance = { policy: 'first' };
  else if (word === 'check-ssl') check.secure = true;
  else if (word === 'send-proxy') service.sendProxy = 'v1';
  else if (word === 'send-proxy-v2') service.sendProxy = 'v2';
  else return /^(?:check|server|disabled|maintenance)$/.test(word);
  return true;
}

function isPair(
  word: string,
  value: string,
  isHttp2: boolean,
  hasTls: boolean,
  service: Writable<ServiceEntry>,
  check: Writable<CheckRule>,
): boolean {
  const number = /^\d+$/.test(value) ? Number(value) : null;
  const ms = durationMs(value);
  if (word === 'verify' && value === 'none') service.upstreamTls = { ...service.upstreamTls, insecure: true };
  else if (word === 'verify' && value === 'required') service.upstreamTls = { ...service.upstreamTls, insecure: false };
  else if (word === 'ca-file') service.upstreamTls = { insecure: false, ...service.upstreamTls, ca: value };
  else if (word === 'sni' && /^str\([^)]+\)$/.test(value))
    service.upstreamTls = { insecure: false, ...service.upstreamTls, serverName: value.slice(4, -1) };
  else if (word === 'maxconn' && number !== null) service.connectionsPerBackend = number;
  else if (word === 'slowstart' && ms !== null) service.slowStartMs = ms;
  else if (word === 'proto' && value === 'h2') service.protocol = hasTls ? 'h2' : 'h2c';
  else if (word === 'alpn') service.protocol = isHttp2 ? 'h2' : 'https';
  else if (word === 'inter' && ms !== null) check.intervalMs = ms;
  else if (word === 'fall' && number !== null) check.fall = number;
  else if (word === 'rise' && number !== null) check.rise = number;
  else if (word === 'port' && number !== null) check.port = number;
  // The same for each server of the port, which is the same as none.
  else return word === 'weight' && number !== null;
  return true;
}

/** What Marathon-LB fills in: names, addresses, intervals of the app's own check. */
const placeholder = /\{(serverName|host_ipv4|port|cookieOptions|otherOptions|healthCheck\w+|shortHashedServerName)\}/;

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
