// IP addresses as text: which family, and one spelling for each. Written out, because this folder imports nothing, `node:net` included.

const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const ipv4Pattern = new RegExp(`^${octet}\\.${octet}\\.${octet}\\.${octet}$`);

/** Strict dotted quad: four decimal octets without leading zeros. */
export const isIPv4 = (text: string): boolean => ipv4Pattern.test(text);

/** RFC 4291 §2.2 text without zone id and without brackets. */
export const isIPv6 = (text: string): boolean => parseIPv6(text) !== null;

/** The eight 16-bit groups of an IPv6 address, or null. */
export function parseIPv6(text: string): readonly number[] | null {
  if (text.length < 2 || text.length > 45 || !/^[0-9a-fA-F:.]+$/.test(text)) return null;
  const withQuad = expandQuad(text);
  if (withQuad === null) return null;
  const halves = withQuad.split('::');
  if (halves.length > 2) return null;
  const head = groupsOf(halves[0] ?? '');
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '') : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function groupsOf(text: string): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  for (const group of text.split(':')) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
    groups.push(parseInt(group, 16));
  }
  return groups;
}

/** Turns a trailing dotted quad (`::ffff:10.0.0.1`) into two groups. */
function expandQuad(text: string): string | null {
  if (!text.includes('.')) return text;
  const colon = text.lastIndexOf(':');
  const quad = text.slice(colon + 1);
  if (colon < 0 || !isIPv4(quad)) return null;
  const [a = 0, b = 0, c = 0, d = 0] = quad.split('.').map(Number);
  return `${text.slice(0, colon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

/** Splits `host:port`, `[v6]:port`; null where there is no port or it is out of range. */
export function splitHostPort(text: string): { readonly host: string; readonly port: number } | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  return port > 65535 ? null : { host: match[1] ?? match[2] ?? '', port };
}
