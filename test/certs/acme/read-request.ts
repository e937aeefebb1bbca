// Reads a request for a certificate (PKCS#10, RFC 2986) as an authority does: the signature must be by the key that is asked for.

import { createPublicKey, verify } from 'node:crypto';

export interface ReadRequest {
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
  readonly names: readonly string[];
}

interface Element {
  readonly tag: number;
  readonly whole: Buffer;
  readonly content: Buffer;
}

/** Throws where anything is not as it must be. */
export function readRequest(der: Buffer): ReadRequest {
  const [request] = elements(der);
  const [unsigned, , signature] = elements(content(request));
  const [, , publicKey, attributes] = elements(content(unsigned));
  const key = createPublicKey({ key: whole(publicKey), format: 'der', type: 'spki' });
  // The bit string's first octet counts its unused bits.
  if (!verify('sha256', whole(unsigned), key, content(signature).subarray(1)))
    throw new Error('the request is not signed by its key');
  const [attribute] = elements(content(attributes));
  const [, values] = elements(content(attribute));
  const [extensions] = elements(content(values));
  const [extension] = elements(content(extensions));
  const [, value] = elements(content(extension));
  const [names] = elements(content(value));
  return {
    publicKey: whole(publicKey),
    names: elements(content(names)).map((name) => name.content.toString('latin1')),
  };
}

const content = (element: Element | undefined): Buffer => whole(element, 'content');

function whole(element: Element | undefined, part: 'whole' | 'content' = 'whole'): Buffer {
  if (element === undefined) throw new Error('an element is missing');
  return element[part];
}

function elements(der: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < der.length;) {
    let length = der[at + 1] ?? 0;
    let start = at + 2;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      length = der.readUIntBE(start, octets);
      start += octets;
    }
    found.push({
      tag: der[at] ?? 0,
      whole: der.subarray(at, start + length),
      content: der.subarray(start, start + length),
    });
    at = start + length;
  }
  return found;
}
