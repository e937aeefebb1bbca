// Addresses: where we listen (an IP address and a port, 0 for a free one) and whom we call (also a name, and a real port).

import { splitHostPort } from '../../cluster/index.ts';
import { formatIp, parseIp } from './ip-number.ts';
import type { Mistake } from './mistake.ts';

export interface Address {
  /** An IP address without brackets, or a name where one may be called by name. */
  readonly host: string;
  readonly port: number;
}

/** `IP:PORT`, IPv6 in brackets, `localhost` for 127.0.0.1; port 0 picks a free one. */
export function parseListenAddress(text: string): Address | Mistake {
  const remedy = 'write IP:PORT, such as 127.0.0.1:8080, 0.0.0.0:80 or [::1]:53';
  if (/^\*?:\d+$/.test(text))
    return {
      wrong: 'names no address',
      remedy: `write 0.0.0.0${text.slice(text.indexOf(':'))} or [::]${text.slice(text.indexOf(':'))}`,
    };
  const split = split6(text);
  if (split === null) return { wrong: 'is no host:port', remedy };
  const ip = parseIp(split.host === 'localhost' ? '127.0.0.1' : split.host);
  if (ip === null) return { wrong: 'has no IP address to listen on', remedy };
  return { host: formatIp(ip), port: split.port };
}

/** `NAME:PORT` or `IP:PORT`, port 1 to 65535. */
export function parseEndpoint(text: string): Address | Mistake {
  const remedy = 'write HOST:PORT, such as db.example:5432 or [fd00::1]:5432';
  const split = split6(text);
  if (split === null) return { wrong: 'is no host:port', remedy };
  if (split.port === 0) return { wrong: 'has port 0', remedy: 'write a port from 1 to 65535' };
  const ip = parseIp(split.host);
  if (ip !== null) return { host: formatIp(ip), port: split.port };
  return isHostName(split.host)
    ? { host: split.host.toLowerCase(), port: split.port }
    : { wrong: 'has no valid host', remedy };
}

/** `IP` or `IP:PORT`; IPv6 may go without brackets where no port follows (specs/dns.md §4.6). */
export function parseNameserver(text: string): Address | Mistake {
  const remedy = 'write IP or IP:PORT, such as 10.0.0.2 or 10.0.0.2:5353';
  const alone = parseIp(/^\[.*\]$/.test(text) ? text.slice(1, -1) : text);
  if (alone !== null) return { host: formatIp(alone), port: 53 };
  const split = split6(text);
  const ip = split === null ? null : parseIp(split.host);
  if (split === null || ip === null) return { wrong: 'is no IP address', remedy };
  return split.port === 0 ? { wrong: 'has port 0', remedy } : { host: formatIp(ip), port: split.port };
}

/** Letters, digits, hyphens and underscores in labels of 1 to 63, 253 in all; no spelling of an IPv4 address with fewer parts. */
export function isHostName(text: string): boolean {
  if (
    text.length > 253 ||
    !/^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i.test(text)
  )
    return false;
  const last = text.slice(text.lastIndexOf('.') + 1);
  return !/^(\d+|0x[0-9a-f]*)$/i.test(last);
}

/** As `splitHostPort`, and what stands in brackets must be IPv6. */
function split6(text: string): Address | null {
  const split = splitHostPort(text);
  if (split === null || split.host === '') return null;
  return text.startsWith('[') && !split.host.includes(':') ? null : split;
}
