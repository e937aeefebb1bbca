// Where a client wants to go, made canonical once; rules, resolver, dialler and log use that value and nothing else (specs/proxies.md §2.2).

import { canonicalIp } from './address.ts';

export type Destination =
  /** Lower case, no trailing dot, letters, digits, `-`, `_` and `.` only. */
  | { readonly kind: 'name'; readonly name: string }
  /** As `canonicalIp` spells it. */
  | { readonly kind: 'ip'; readonly ip: string };

export interface DestinationRejection {
  /** One line for a log, without the text itself: it is the client's. */
  readonly rejected: string;
}

const maxNameLength = 253;
const maxLabelLength = 63;

/**
 * Reads a host as a client wrote it, without brackets. Everything that a system resolver would take for an IPv4 address without being a
 * strict dotted quad is refused: a name whose last label is a number, decimal or hexadecimal, never reaches a resolver.
 */
export function parseDestination(text: string): Destination | DestinationRejection {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  if (bare === '') return { rejected: 'the name is empty' };
  const ip = canonicalIp(bare);
  if (ip !== null) return { kind: 'ip', ip };
  if (!/^[A-Za-z0-9._-]+$/.test(bare)) return { rejected: 'the name holds characters that no host name has' };
  if (bare.length > maxNameLength) return { rejected: `the name is longer than ${maxNameLength} octets` };
  const labels = bare.toLowerCase().split('.');
  if (labels.some((label) => label === '' || label.length > maxLabelLength)) {
    return { rejected: 'a label of the name is empty or longer than 63 octets' };
  }
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? ''))
    return { rejected: 'the name is an odd spelling of an IPv4 address' };
  return { kind: 'name', name: labels.join('.') };
}

/** A destination as text, for logs and for comparing. */
export const destinationText = (destination: Destination): string =>
  destination.kind === 'ip' ? destination.ip : destination.name;
