// Which names a certificate is for, and whether a name is among them (RFC 9525 §6.3): a star is a whole leftmost label and stands for one.

import { isIP } from 'node:net';
import type { X509Certificate } from 'node:crypto';

export interface CertificateNames {
  /** Lower case: DNS names, then addresses. */
  readonly names: readonly string[];
  /** Names that cannot count, such as `w*.example`. */
  readonly unusable: readonly string[];
  /** The certificate has no alternative name; its common name counts as a last resort. */
  readonly byCommonName: boolean;
}

export function namesOf(certificate: X509Certificate): CertificateNames {
  const alternatives = splitNames(certificate.subjectAltName ?? '');
  const dns = alternatives.filter(([kind]) => kind === 'DNS').map(([, name]) => name.toLowerCase());
  const addresses = alternatives.filter(([kind]) => kind === 'IP Address').map(([, name]) => name.toLowerCase());
  const usable = dns.filter(isUsableName);
  const unusable = dns.filter((name) => !isUsableName(name));
  if (dns.length + addresses.length > 0)
    return { names: [...new Set([...usable, ...addresses])], unusable, byCommonName: false };
  const commonName = /^CN=(.+)$/m.exec(certificate.subject)?.[1]?.toLowerCase() ?? '';
  return isUsableName(commonName)
    ? { names: [commonName], unusable, byCommonName: true }
    : { names: [], unusable, byCommonName: false };
}

/** A server name as it is compared: lower case, one trailing dot off; null for an address, nothing, or bytes that no name has. */
export function comparableName(name: string | null | undefined): string | null {
  if (name === null || name === undefined || name === '') return null;
  const plain = (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
  return plain.length <= 253 && /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(plain) && isIP(plain) === 0 ? plain : null;
}

/** The one wildcard that could be for `name`: `*.` and what stands behind its first label; null where it has one label. */
export function wildcardOf(name: string): string | null {
  const dot = name.indexOf('.');
  return dot < 0 ? null : `*${name.slice(dot)}`;
}

/** Whether a certificate of `names` is for the host; `host` as `comparableName` gives it, or an address. */
export function coversName(names: readonly string[], host: string): boolean {
  const wildcard = wildcardOf(host);
  return names.includes(host) || (wildcard !== null && isIP(host) === 0 && names.includes(wildcard));
}

const isUsableName = (name: string): boolean => comparableName(name.startsWith('*.') ? name.slice(2) : name) !== null;

/** `DNS:a, IP Address:::1`, where a value with a comma or quote stands in JSON's quotes. */
function splitNames(text: string): (readonly [kind: string, name: string])[] {
  return [...text.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)/g)].map(([, kind = '', name = '']) => [
    kind,
    name,
  ]);
}
