// Domain names: wire form, presentation form (RFC 1035 §5.1 escapes) and the key under which a name is found. The walk through
// compression pointers is bounded: pointers only go backwards and a name ends at 255 octets.

const maxNameOctets = 255;
const maxLabelOctets = 63;

/** Wire form without compression of a name in presentation form, with or without its trailing dot; null if it is no name. */
export function encodeName(text: string): Buffer | null {
  if (text === '' || text === '.') return Buffer.from([0]);
  const out: number[] = [];
  let label: number[] = [];
  const endLabel = (): boolean => {
    if (label.length === 0 || label.length > maxLabelOctets) return false;
    out.push(label.length, ...label);
    label = [];
    return out.length < maxNameOctets;
  };
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) === 0x2e) {
      if (!endLabel()) return null;
      continue;
    }
    const octets = octetsAt(text, i);
    if (octets === null) return null;
    label.push(...octets.octets);
    if (label.length > maxLabelOctets) return null;
    i += octets.length - 1;
  }
  if (label.length > 0 && !endLabel()) return null;
  out.push(0);
  return Buffer.from(out);
}

function octetsAt(text: string, at: number): { readonly octets: readonly number[]; readonly length: number } | null {
  const code = text.charCodeAt(at);
  if (code !== 0x5c) {
    if (code < 0x80) return { octets: [code], length: 1 };
    const point = String.fromCodePoint(text.codePointAt(at) as number);
    return { octets: [...Buffer.from(point)], length: point.length };
  }
  const decimal = /^\d{3}/.exec(text.slice(at + 1, at + 4));
  if (decimal !== null) {
    const value = Number(decimal[0]);
    return value > 255 ? null : { octets: [value], length: 4 };
  }
  const escaped = text.charCodeAt(at + 1);
  return escaped >= 0x21 && escaped < 0x7f ? { octets: [escaped], length: 2 } : null;
}

export interface DecodedName {
  /** Presentation form with its trailing dot, in the case of the wire. */
  readonly text: string;
  /** Offset behind the name where it stood. */
  readonly end: number;
}

/** The name at `offset`, compressed or not; null if it runs out of the message, loops, or is too long. */
export function decodeName(bytes: Uint8Array, offset: number): DecodedName | null {
  let text = '';
  let octets = 1;
  let end = -1;
  let at = offset;
  let floor = offset;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return null;
    if (length >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) return null;
      if (end < 0) end = at + 2;
      at = ((length & 0x3f) << 8) | low;
      if (at >= floor) return null;
      floor = at;
    } else if (length > maxLabelOctets || at + 1 + length > bytes.length) {
      return null;
    } else if (length === 0) {
      return { text: text === '' ? '.' : text, end: end < 0 ? at + 1 : end };
    } else {
      octets += length + 1;
      if (octets > maxNameOctets) return null;
      text += `${presentLabel(bytes, at + 1, at + 1 + length)}.`;
      at += length + 1;
    }
  }
}

/** The end of the name at `offset` where it stands, or -1 if it is cut off or uses a reserved label type. Follows no pointers. */
export function skipName(bytes: Uint8Array, offset: number): number {
  let at = offset;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return -1;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= bytes.length ? at + 2 : -1;
    if (length > maxLabelOctets || at - offset > maxNameOctets) return -1;
    at += length + 1;
  }
}

/** Octets of one label as presentation text: dots, blanks and whatever is not printable ASCII escaped. */
export function presentLabel(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) {
    const octet = bytes[i] as number;
    if (octet === 0x2e || octet === 0x5c || octet === 0x22 || octet === 0x3b) text += `\\${String.fromCharCode(octet)}`;
    else if (octet > 0x20 && octet < 0x7f) text += String.fromCharCode(octet);
    else text += `\\${String(octet).padStart(3, '0')}`;
  }
  return text;
}

/** Any text as one label in presentation form, lower case; '' stays ''. */
export function presentText(text: string): string {
  const bytes = Buffer.from(text);
  return lowerCase(presentLabel(bytes, 0, bytes.length));
}

/** ASCII letters in lower case, nothing else touched (RFC 4343 §3). */
export const lowerCase = (text: string): string =>
  /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;

/** Key of a name: its wire form in lower case, each octet a character. */
export const keyOfWire = (wire: Buffer): string => lowerCase(wire.toString('latin1', 0, wire.length));

/** Key of a name in presentation form; null if it is no name. */
export function keyOfName(text: string): string | null {
  const plain = keyOfPlainName(text);
  if (plain !== null) return plain;
  const wire = encodeName(text);
  return wire === null ? null : keyOfWire(wire);
}

/** Writes the key of a name in presentation form to `out`, which has room for 255 octets; its length, or 0 if it is no name. */
export function writeKey(text: string, out: Uint8Array): number {
  const plain = writePlainKey(text, out);
  if (plain > 0) return plain;
  const key = keyOfName(text);
  if (key === null) return 0;
  for (let i = 0; i < key.length; i++) out[i] = key.charCodeAt(i);
  return key.length;
}

/** As `writeKey` for names without escapes; 0: not one of them. */
function writePlainKey(text: string, out: Uint8Array): number {
  const { length } = text;
  const end = text.charCodeAt(length - 1) === 0x2e ? length - 1 : length;
  if (end === 0 || end > maxNameOctets - 2) return 0;
  let start = 0;
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      if (i === start || i - start > maxLabelOctets) return 0;
      out[start] = i - start;
      start = i + 1;
    } else if (code <= 0x20 || code >= 0x7f || code === 0x5c) return 0;
    else out[i + 1] = code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
  }
  if (end === start || end - start > maxLabelOctets) return 0;
  out[start] = end - start;
  out[end + 1] = 0;
  return end + 2;
}

/** As `keyOfName` for names without escapes, which nearly all are: a zone of 50,000 tasks has half a million. Null: not one of them. */
function keyOfPlainName(text: string): string | null {
  const end = text.endsWith('.') ? text.length - 1 : text.length;
  if (end > maxNameOctets - 2 || !/^[!-[\]-~]+$/.test(text)) return null;
  let key = '';
  for (let start = 0; start <= end;) {
    const dot = text.indexOf('.', start);
    const next = dot < 0 ? end : dot;
    if (next === start || next - start > maxLabelOctets) return null;
    key += String.fromCharCode(next - start) + text.slice(start, next);
    start = next + 1;
  }
  return `${lowerCase(key)}\0`;
}

/** Whether `text` is a name in presentation form. */
export const isName = (text: string): boolean => isPlainName(text) || encodeName(text) !== null;

/** As `isName` for names without escapes, of labels that have an octet at least. */
export function isPlainName(text: string): boolean {
  const end = text.endsWith('.') ? text.length - 1 : text.length;
  if (end === 0 || end > maxNameOctets - 2) return false;
  let labelOctets = 0;
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      if (labelOctets === 0 || labelOctets > maxLabelOctets) return false;
      labelOctets = 0;
    } else if (code <= 0x20 || code >= 0x7f || code === 0x5c) return false;
    else labelOctets++;
  }
  return labelOctets > 0 && labelOctets <= maxLabelOctets;
}

/** Presentation form of a key. */
export const nameOfKey = (key: string): string => decodeName(Buffer.from(key, 'latin1'), 0)?.text ?? '';

/** Key of the name above, `''` above the root. */
export const parentKey = (key: string): string => key.slice(key.charCodeAt(0) + 1);

/** Whether a name is `zone` or below it; keys both. */
export function isWithin(key: string, zone: string): boolean {
  if (!key.endsWith(zone)) return false;
  const start = key.length - zone.length;
  let at = 0;
  while (at < start) at += key.charCodeAt(at) + 1;
  return at === start;
}
