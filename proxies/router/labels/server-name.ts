// Names that Marathon-LB gives to servers: what its statistics show, and what its sticky cookie is made of (specs/l7.md §1.11). Pure.

import { createHash } from 'node:crypto';

/** `host`: the agent's name as Marathon says it. Everything but letters, digits and hyphens becomes `_`. */
export function serverName(host: string, ip: string, port: number): string {
  const name = host === ip ? `${ip}_${port}` : `${host}_${ip}_${port}`;
  return name.replace(/[^A-Za-z0-9-]/g, '_');
}

/** Value of the sticky cookie: the first ten hex digits of the name's SHA-1. */
export const cookieValue = (name: string): string => createHash('sha1').update(name).digest('hex').slice(0, 10);

/** Servers of one backend have numbers up to this one. */
const mostIds = 32_767n;

/**
 * Number of a server, as Marathon-LB tells HAProxy: the rest of the name's SHA-256, or of the name with that behind it where the number is
 * `taken` or 0. The set gets it.
 */
export function serverId(name: string, taken: Set<number>): number {
  const digest = createHash('sha256').update(name).digest('hex');
  const id = Number(BigInt(`0x${digest}`) % mostIds);
  if (id === 0 || taken.has(id)) return serverId(`${name} ${digest}`, taken);
  taken.add(id);
  return id;
}
