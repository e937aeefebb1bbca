// Request targets (RFC 9112 §3.2) and hosts: which form, whose authority, what is compared and what is forwarded (specs/l7.md §3.2).

import { isIPv6 } from '../../src/cluster/index.ts';
import { hexValue } from './byte-classes.ts';

export type TargetForm = 'origin' | 'absolute' | 'authority' | 'asterisk';

export interface Authority {
  /** Lower case, without port and trailing dot; IPv6 in brackets, with the spelling of the sender. */
  readonly host: string;
  /** 0 where none was written. */
  readonly port: number;
}

const hostBytes = 253;

/**
 * `host`, `host:port`, `[v6]:port` as a Host field or target has it; null where it is none: a list, user info, a path, a bad port, an empty
 * or too long name. Of RFC 3986's reg-name only the unreserved characters, as sub-delims and escapes name no host anybody runs.
 */
export function parseAuthority(text: string): Authority | null {
  if (text.charCodeAt(0) === 0x5b) return parseBracketed(text);
  let colon = -1;
  let upper = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x61 && code <= 0x7a) continue;
    if (code === 0x3a) {
      colon = i;
      break;
    }
    if (code >= 0x41 && code <= 0x5a) upper = true;
    else if (!(code >= 0x30 && code <= 0x39) && code !== 0x2e && code !== 0x2d && code !== 0x5f && code !== 0x7e)
      return null;
  }
  const port = colon < 0 ? 0 : parsePort(text, colon + 1);
  let end = colon < 0 ? text.length : colon;
  if (end > 1 && text.charCodeAt(end - 1) === 0x2e) end--;
  if (port < 0 || end === 0 || end > hostBytes || text.charCodeAt(0) === 0x2e) return null;
  const name = end === text.length ? text : text.slice(0, end);
  return { host: upper ? name.toLowerCase() : name, port };
}

function parseBracketed(text: string): Authority | null {
  const close = text.indexOf(']');
  if (close < 0 || !isIPv6(text.slice(1, close))) return null;
  if (close + 1 < text.length && text.charCodeAt(close + 1) !== 0x3a) return null;
  const port = close + 1 === text.length ? 0 : parsePort(text, close + 2);
  return port < 0 ? null : { host: text.slice(0, close + 1).toLowerCase(), port };
}

/** Digits from `start` to the end, up to 65535; an empty port is legal and none (0); -1 where it is no port. */
function parsePort(text: string, start: number): number {
  if (text.length - start > 5) return -1;
  let port = 0;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    port = port * 10 + digit;
  }
  if (text.length > start && port === 0) return -1;
  return port > 65535 ? -1 : port;
}

/** A path twice: as it is compared and as it is forwarded. */
export interface CanonicalPath {
  /** Unreserved escapes decoded, others in upper case, dot segments resolved. `%2F`, `%5C` and `//` stay. */
  readonly match: string;
  /** Dot segments resolved, else byte for byte. */
  readonly forward: string;
}

/** Null where the path holds a backslash, a broken escape or an escaped NUL. `path` starts with `/` and has no query. */
export function canonicalPath(path: string): CanonicalPath | null {
  const percent = path.indexOf('%');
  if (path.includes('\\')) return null;
  if (percent < 0 && !path.includes('/.')) return { match: path, forward: path };
  const decoded = percent < 0 ? path : decodeUnreserved(path);
  if (decoded === null) return null;
  const segments = path.split('/');
  if (!decoded.split('/').some(isDotSegment)) return { match: decoded, forward: path };
  return { match: withoutDotSegments(decoded.split('/')), forward: withoutDotSegments(segments) };
}

/** `%41` to `A`, `%2f` to `%2F`; null at a broken escape and at `%00`. */
function decodeUnreserved(path: string): string | null {
  let out = '';
  let run = 0;
  for (let at = path.indexOf('%'); at >= 0; at = path.indexOf('%', at + 3)) {
    const high = hexValue[path.charCodeAt(at + 1)] ?? 255;
    const low = hexValue[path.charCodeAt(at + 2)] ?? 255;
    const code = high * 16 + low;
    if (high > 15 || low > 15 || code === 0) return null;
    const char = String.fromCharCode(code);
    out += path.slice(run, at) + (/[A-Za-z0-9._~-]/.test(char) ? char : path.slice(at, at + 3).toUpperCase());
    run = at + 3;
  }
  return out + path.slice(run);
}

function isDotSegment(segment: string): boolean {
  return segment === '.' || segment === '..';
}

/** RFC 3986 §5.2.4 on segments, of which escaped dots are dots too; nothing climbs above the root. */
function withoutDotSegments(segments: readonly string[]): string {
  const kept: string[] = [];
  segments.forEach((segment, i) => {
    const plain = segment.replace(/%2e/gi, '.');
    if (!isDotSegment(plain)) {
      kept.push(segment);
      return;
    }
    if (plain === '..' && kept.length > 1) kept.pop();
    if (i === segments.length - 1) kept.push('');
  });
  return kept.length === 1 ? '/' : kept.join('/');
}
