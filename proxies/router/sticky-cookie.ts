// Sessions that stay with a backend by a cookie of ours, with Marathon-LB's names and values so that sessions outlive a migration
// (specs/l7.md §1.11, §2.6).

import { hash } from 'node:crypto';
import type { Backend } from '../../src/cluster/index.ts';
import { fieldId, type FieldList } from '../http1/index.ts';
import type { SetEntry } from './route-record.ts';
import type { Sticky } from './service-record.ts';

/** First ten hex digits of the SHA-1 of the server's name, as Marathon-LB gives them. */
export const cookieValue = (serverName: string): string => hash('sha1', serverName, 'hex').slice(0, 10);

/** Marathon-LB's name of a server of which the orchestrator says nothing but its address. */
export const serverName = (backend: Pick<Backend, 'ip' | 'port'>): string =>
  `${backend.ip}_${backend.port}`.replace(/[^A-Za-z0-9-]/g, '_');

/** The cookie of one service, compiled with its set. */
export interface StickySessions {
  readonly cookie: string;
  /** The backend that the request belongs to; null where there is none that may have it. */
  backendOf(fields: FieldList): Backend | null;
  /** A Set-Cookie line for the backend. */
  lineFor(backend: Backend, secure: boolean): string;
}

export function compileSticky(sticky: Sticky, set: SetEntry): StickySessions {
  const byValue = new Map<string, Backend>();
  const values = new Map<string, string>();
  set.backends.forEach((backend, i) => {
    const value = cookieValue(set.names?.[i] ?? serverName(backend));
    values.set(backend.key, value);
    if (backend.state === 'down' || (backend.state === 'draining' && !sticky.whileDraining)) return;
    byValue.set(value, backend);
    if (!sticky.acceptsUrl) return;
    for (const scheme of ['http', 'https']) byValue.set(`${scheme}://${backend.key}`, backend);
  });
  const attributes = attributesOf(sticky);
  return {
    cookie: sticky.cookie,
    backendOf(fields) {
      for (let i = fields.indexOf(fieldId.cookie); i >= 0; i = fields.indexOf(fieldId.cookie, i + 1)) {
        const value = cookieIn(fields.value(i), sticky.cookie);
        const backend = value === null ? undefined : byValue.get(value);
        if (backend !== undefined) return backend;
      }
      return null;
    },
    lineFor(backend, secure) {
      const value = values.get(backend.key) ?? cookieValue(serverName(backend));
      const isSecure = sticky.secure === 'always' || (sticky.secure === 'on-tls' && secure);
      return `Set-Cookie: ${sticky.cookie}=${value}${attributes}${isSecure ? '; Secure' : ''}\r\n`;
    },
  };
}

function attributesOf({ path, domain, httpOnly, sameSite, maxAgeSeconds }: Sticky): string {
  const parts = [`Path=${path}`];
  if (domain !== undefined) parts.push(`Domain=${domain}`);
  if (maxAgeSeconds !== undefined) parts.push(`Max-Age=${maxAgeSeconds}`);
  if (httpOnly) parts.push('HttpOnly');
  if (sameSite !== null) parts.push(`SameSite=${sameSite[0]?.toUpperCase() ?? ''}${sameSite.slice(1)}`);
  return parts.map((part) => `; ${part}`).join('');
}

/** Value of the first cookie of that name in a Cookie field; null if there is none. */
export function cookieIn(field: string, name: string): string | null {
  for (const pair of field.split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name)
      return pair
        .slice(at + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1');
  }
  return null;
}

/** The Cookie lines for the backend, our own cookie taken out; '' where nothing is left. */
export function cookiesWithout(fields: FieldList, name: string): string {
  let lines = '';
  for (let i = fields.indexOf(fieldId.cookie); i >= 0; i = fields.indexOf(fieldId.cookie, i + 1)) {
    const kept = fields
      .value(i)
      .split(';')
      .filter((pair) => pair.trim() !== '' && pair.split('=')[0]?.trim() !== name)
      .join(';')
      .trim();
    if (kept !== '') lines += `Cookie: ${kept}\r\n`;
  }
  return lines;
}
