// Leaves of the schema: one for each kind of value that the configuration knows.

import { parseCidr } from './cidr.ts';
import { parseDuration } from './duration.ts';
import { distinct, integer, leaf, list, text, type Field } from './field.ts';
import { type Address, isHostName, parseEndpoint, parseListenAddress, parseNameserver } from './host-port.ts';
import { formatIp, parseIp } from './ip-number.ts';
import type { Mistake } from './mistake.ts';
import { parseRatio } from './ratio.ts';
import { parseCount, parseSize } from './size.ts';
import { parseBackendUrl, parseHttpUrl } from './url.ts';

export const addressKey = ({ host, port }: Address): string => `${host} ${port}`;

export const listenAddress: Field<Address> = text(parseListenAddress, 'IP:PORT, such as 127.0.0.1:8080');
/** Twice the same address is told by the checks over the whole file, which see other sections too. */
export const listenAddresses: Field<readonly Address[]> = list(listenAddress);
export const endpoint: Field<Address> = text(parseEndpoint, 'HOST:PORT');
const nameserver: Field<Address> = text(parseNameserver, 'IP:PORT');
export const nameservers: Field<readonly Address[]> = distinct(nameserver, addressKey);

export const cidr: Field<string> = text(parseCidr, 'a network, such as 10.0.0.0/8');
export const cidrs: Field<readonly string[]> = list(cidr);

export const duration: Field<number> = leaf(parseDuration, 'a duration, such as 10s');
export const bytes: Field<number> = leaf((value) => parseSize(value, true), 'a size, such as 64k');
export const count: Field<number> = leaf(parseCount, 'a number');
export const ratio: Field<number> = leaf(parseRatio, 'a percentage, such as 50%');
export const port: Field<number> = integer(1, 65535);

/** Seconds, as DNS counts: a plain number, or a duration of whole seconds. */
export const seconds: Field<number> = leaf<number>((value) => {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fffffff) return value;
  const ms = parseDuration(value);
  if (typeof ms !== 'number') return ms;
  return ms % 1000 === 0
    ? ms / 1000
    : { wrong: 'is no whole number of seconds', remedy: 'write seconds, such as 60 or 60s' };
}, 'seconds, such as 60');

/** An `http:` or `https:` address without credentials; no slash at the end. */
export const httpUrl: Field<string> = text(parseHttpUrl, 'http://HOST:PORT');

/** The same, or `h2c:`. */
export const backendUrl: Field<string> = text(parseBackendUrl, 'http://HOST:PORT');

export const ipAddress: Field<string> = text<string>((value) => {
  const ip = parseIp(value);
  return ip === null ? { wrong: 'is no IP address', remedy: 'write an address, such as 198.51.100.10' } : formatIp(ip);
}, 'an IP address');

/** An app id or a glob over ids: `*` within a segment, `**` over segments. */
export const appGlob: Field<string> = text<string>(
  (value) =>
    /^\/[A-Za-z0-9._*/-]*$/.test(value)
      ? value
      : { wrong: 'is no app id', remedy: 'begin with a slash: /team/app, /team/* or /team/**' },
  '/team/**',
);

/** A name, or `*.` and a name. */
export const hostGlob: Field<string> = text<string>(hostPattern, 'a name, such as *.shop.example');

function hostPattern(value: string): string | Mistake {
  const name = value.endsWith('.') ? value.slice(0, -1) : value;
  if (isHostName(name.startsWith('*.') ? name.slice(2) : name)) return name.toLowerCase();
  return { wrong: 'is no host name', remedy: 'write shop.example or *.shop.example' };
}
