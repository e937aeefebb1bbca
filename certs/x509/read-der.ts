// Reads DER (ITU-T X.690), as much as answers of OCSP responders need.

/** One element of a text of DER. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  /** With tag and length. */
  readonly whole: Buffer;
}

/** The elements of a constructed one's content, one after another. Throws a RangeError where one leads outside. */
export function derElements(bytes: Buffer): readonly DerElement[] {
  const found: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const [tag = 0, first] = [bytes[at], bytes[at + 1]];
    if (first === undefined || first === 0x80 || first > 0x84) throw new RangeError('no length that DER has');
    const octets = first < 0x80 ? 0 : first & 0x7f;
    const start = at + 2 + octets;
    const length = octets === 0 ? first : bytes.readUIntBE(at + 2, octets);
    if (start + length > bytes.length) throw new RangeError('an element leads outside');
    found.push({ tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) });
    at = start + length;
  }
  return found;
}

/** The parts of the one element that `bytes` is. */
export function derParts(bytes: Buffer): readonly DerElement[] {
  const [only, ...others] = derElements(bytes);
  if (only === undefined || others.length > 0) throw new RangeError('not one element');
  return derElements(only.content);
}

/** A part that must be there, of this tag. */
export function derPart(parts: readonly DerElement[], at: number, tag: number): DerElement {
  const part = parts[at];
  if (part?.tag !== tag) throw new RangeError(`no element of tag ${tag}`);
  return part;
}

/** An object identifier with dots; its content alone. */
export function oidText(content: Buffer): string {
  const numbers: number[] = [];
  let value = 0;
  for (const octet of content) {
    value = value * 128 + (octet & 0x7f);
    if ((octet & 0x80) !== 0) continue;
    if (numbers.length === 0)
      numbers.push(Math.min(Math.floor(value / 40), 2), value - Math.min(Math.floor(value / 40), 2) * 40);
    else numbers.push(value);
    value = 0;
  }
  return numbers.join('.');
}

/** GeneralizedTime in UTC, as RFC 6960 has it, in milliseconds since 1970. */
export function generalizedTime(content: Buffer): number {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z$/.exec(content.toString('latin1')) ?? [];
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(at)) throw new RangeError('no time');
  return at;
}
