// When a certificate is to be renewed: by the authority's own word (ARI, RFC 9773), or by its age where there is none.

import { createHash, type X509Certificate } from 'node:crypto';

export interface RenewalWindow {
  /** Epoch milliseconds. */
  readonly start: number;
  readonly end: number;
}

/** Of a life: renewed when two thirds are over (specs/l7.md §4.6), a little earlier or later from one certificate to the next. */
const renewShare = 2 / 3;
const spread = 1 / 50;

/** Names a certificate to its authority (RFC 9773 §4.1); null where it has no authority key identifier. */
export function certificateId(certificate: X509Certificate): string | null {
  const keyId = authorityKeyId(certificate.raw);
  if (keyId === null) return null;
  const hex = certificate.serialNumber;
  const serial = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  // As the content of an INTEGER: a leading bit that is set would make it negative.
  const content = ((serial[0] ?? 0) & 0x80) === 0 ? serial : Buffer.concat([Buffer.from([0]), serial]);
  return `${keyId.toString('base64url')}.${content.toString('base64url')}`;
}

/**
 * Epoch milliseconds. The same for one certificate on every edge and after each restart, and different from one certificate to the next.
 * `window` null: by age.
 */
export function renewalTime(certificate: X509Certificate, window: RenewalWindow | null): number {
  const chance = chanceOf(certificate);
  if (window !== null) return window.start + chance * (window.end - window.start);
  const start = Date.parse(certificate.validFrom);
  const life = Date.parse(certificate.validTo) - start;
  return start + life * (renewShare - spread * chance);
}

/** The window in an answer of the authority; null where it has none that makes sense. */
export function readWindow(body: unknown): RenewalWindow | null {
  const { suggestedWindow } = (typeof body === 'object' && body !== null ? body : {}) as {
    suggestedWindow?: { start?: unknown; end?: unknown };
  };
  const [start, end] = [Date.parse(String(suggestedWindow?.start)), Date.parse(String(suggestedWindow?.end))];
  return Number.isFinite(start) && Number.isFinite(end) && start < end ? { start, end } : null;
}

/** In [0, 1), of the certificate's own. */
const chanceOf = (certificate: X509Certificate): number =>
  createHash('sha256').update(certificate.raw).digest().readUInt32BE(0) / 2 ** 32;

/** keyIdentifier of the extension authorityKeyIdentifier: the first `[0]` in its sequence (RFC 5280 §4.2.1.1). */
function authorityKeyId(der: Buffer): Buffer | null {
  const at = der.indexOf(Buffer.from('0603551d23', 'hex'));
  if (at < 0) return null;
  // The identifier, then OCTET STRING, SEQUENCE and [0], each of fewer than 128 octets as long as there is an identifier alone.
  const value = der.subarray(at + 5);
  const length = value[5] ?? 0;
  const isPlain = value[0] === 0x04 && value[2] === 0x30 && value[4] === 0x80 && length < 0x80;
  return isPlain && value.length >= 6 + length ? value.subarray(6, 6 + length) : null;
}
