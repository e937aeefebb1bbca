// Reads and verifies what an OCSP responder answered (RFC 6960 §4.2): only what every client would believe is stapled.

import { createHash, verify, X509Certificate } from 'node:crypto';
import { messageOf } from '../../src/runtime/index.ts';
import { derElements, derPart, derParts, generalizedTime, oidText, type DerElement } from '../x509/index.ts';
import { publicKeyBits, type StatusRequest } from './status-request.ts';

export interface StatusAnswer {
  readonly status: 'good' | 'revoked' | 'unknown';
  /** Milliseconds since 1970. */
  readonly thisUpdate: number;
  /** Null: newer ones may come at any time, so this one is not kept. */
  readonly nextUpdate: number | null;
}

/** Why an answer cannot be used. */
export interface NoAnswer {
  readonly refused: string;
}

const basic = '1.3.6.1.5.5.7.48.1.1';
const ocspSigning = '1.3.6.1.5.5.7.3.9';
/** Clocks of responders and clients differ. */
const toleranceMs = 300_000;

const digests: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
};

/** `bytes`: the body of the answer. `now`: milliseconds since 1970. */
export function readStatusAnswer(
  bytes: Buffer,
  request: StatusRequest,
  issuer: X509Certificate,
  now: number,
): StatusAnswer | NoAnswer {
  try {
    const parts = derParts(bytes);
    const code = derPart(parts, 0, 0x0a).content[0];
    if (code !== 0) return { refused: `the responder answered with error ${code}` };
    const kept = derElements(derPart(derElements(derPart(parts, 1, 0xa0).content), 0, 0x30).content);
    if (oidText(derPart(kept, 0, 0x06).content) !== basic) return { refused: 'the answer is of an unknown kind' };
    return readBasic(derPart(kept, 1, 0x04).content, request, issuer, now);
  } catch (error) {
    return { refused: `the answer cannot be read: ${messageOf(error)}` };
  }
}

function readBasic(
  bytes: Buffer,
  request: StatusRequest,
  issuer: X509Certificate,
  now: number,
): StatusAnswer | NoAnswer {
  const parts = derParts(bytes);
  const data = derPart(parts, 0, 0x30);
  const digest = digests[oidText(derPart(derElements(derPart(parts, 1, 0x30).content), 0, 0x06).content)];
  if (digest === undefined) return { refused: 'the answer is signed in an unknown way' };
  const signature = derPart(parts, 2, 0x03).content.subarray(1);
  const signer = signerOf(data, parts[3], issuer, now);
  if (signer === null) return { refused: 'the answer is signed by nobody whom the issuer has named' };
  if (!verify(digest, data.whole, signer.publicKey, signature)) return { refused: 'the signature does not hold' };
  return statusIn(data, request, now);
}

/** The issuer itself, or a certificate of the answer that the issuer has made for that (RFC 6960 §4.2.2.2). */
function signerOf(
  data: DerElement,
  included: DerElement | undefined,
  issuer: X509Certificate,
  now: number,
): X509Certificate | null {
  const isMeant = namedBy(data);
  if (isMeant(issuer)) return issuer;
  if (included?.tag !== 0xa0) return null;
  const [list] = derElements(included.content);
  const certificates = derElements(list?.content ?? Buffer.alloc(0)).map(({ whole }) => new X509Certificate(whole));
  const found = certificates.find(
    (one) =>
      isMeant(one) &&
      one.checkIssued(issuer) &&
      one.verify(issuer.publicKey) &&
      (one.keyUsage ?? []).includes(ocspSigning) &&
      Date.parse(one.validFrom) <= now + toleranceMs &&
      Date.parse(one.validTo) >= now,
  );
  return found ?? null;
}

/** Whether a certificate is the one that a ResponderID names: by the digest of its key, or by its name. */
function namedBy(data: DerElement): (certificate: X509Certificate) => boolean {
  const parts = withoutVersion(data);
  const [id] = derElements(parts[0]?.content ?? Buffer.alloc(0));
  if (parts[0]?.tag === 0xa2)
    return (one) =>
      createHash('sha1')
        .update(publicKeyBits(one))
        .digest()
        .equals(id?.content ?? Buffer.alloc(0));
  return (one) => id !== undefined && subjectOf(one).equals(id.whole);
}

const withoutVersion = (data: DerElement): readonly DerElement[] => {
  const parts = derElements(data.content);
  return parts[0]?.tag === 0xa0 ? parts.slice(1) : parts;
};

/** DER of a certificate's own name. */
function subjectOf(certificate: X509Certificate): Buffer {
  const unsigned = derElements(derPart(derParts(certificate.raw), 0, 0x30).content);
  return derPart(unsigned, unsigned[0]?.tag === 0xa0 ? 5 : 4, 0x30).whole;
}

function statusIn(data: DerElement, request: StatusRequest, now: number): StatusAnswer | NoAnswer {
  // responderID, producedAt, responses.
  const responses = derElements(derPart(withoutVersion(data), 2, 0x30).content).map(({ content }) =>
    derElements(content),
  );
  const asked = request.id.toString('hex');
  const single = responses.find((parts) => parts[0]?.whole.toString('hex') === asked);
  if (single === undefined) return { refused: 'the answer is about another certificate' };
  const thisUpdate = generalizedTime(derPart(single, 2, 0x18).content);
  const next = single[3]?.tag === 0xa0 ? derElements(single[3].content)[0] : undefined;
  const nextUpdate = next === undefined ? null : generalizedTime(next.content);
  if (thisUpdate > now + toleranceMs) return { refused: 'the answer is of the future' };
  if (nextUpdate !== null && nextUpdate <= now) return { refused: 'the answer is too old' };
  const tag = single[1]?.tag;
  return { status: tag === 0x80 ? 'good' : tag === 0xa1 ? 'revoked' : 'unknown', thisUpdate, nextUpdate };
}
