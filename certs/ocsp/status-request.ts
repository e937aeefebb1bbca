// What is asked of an OCSP responder (RFC 6960 §4.1), and by which it is known whether an answer is about the same certificate.

import { createHash, type X509Certificate } from 'node:crypto';
import { derElements, derPart, derParts, integer, octets, oid, sequence } from '../x509/index.ts';

export interface StatusRequest {
  /** DER of the whole request. */
  readonly body: Buffer;
  /** DER of the CertID: answers repeat it. */
  readonly id: Buffer;
}

const sha1 = '1.3.14.3.2.26';

/** SHA-1 names the issuer: the one digest that every responder must know (RFC 5019 §2.1.1). No nonce: answers may be made ahead. */
export function statusRequest(leaf: X509Certificate, issuer: X509Certificate): StatusRequest {
  const digest = (bytes: Uint8Array): Buffer => createHash('sha1').update(bytes).digest();
  const serial = Buffer.from(
    leaf.serialNumber.padStart(leaf.serialNumber.length + (leaf.serialNumber.length % 2), '0'),
    'hex',
  );
  const id = sequence(
    sequence(oid(sha1), Buffer.from([5, 0])),
    octets(digest(issuerNameOf(leaf))),
    octets(digest(publicKeyBits(issuer))),
    integer(serial),
  );
  return { id, body: sequence(sequence(sequence(sequence(id)))) };
}

/** DER of the issuer's name, as the certificate has it. */
function issuerNameOf(leaf: X509Certificate): Buffer {
  const unsigned = derElements(derPart(derParts(leaf.raw), 0, 0x30).content);
  // version [0], serialNumber, signature, issuer.
  const at = unsigned[0]?.tag === 0xa0 ? 3 : 2;
  return derPart(unsigned, at, 0x30).whole;
}

/** Of a subjectPublicKey, without tag, length and count of unused bits. */
export function publicKeyBits(certificate: X509Certificate): Buffer {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return derPart(derParts(spki), 1, 0x03).content.subarray(1);
}

/** Where the certificate says that its state is told, over HTTP; null: nowhere. */
export function responderOf(leaf: X509Certificate): string | null {
  return /^OCSP - URI:(http:\/\/\S+)$/m.exec(leaf.infoAccess ?? '')?.[1] ?? null;
}
