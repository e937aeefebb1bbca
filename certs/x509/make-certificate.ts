// Makes certificates (RFC 5280): the development CA's own, those it signs, and the proof of tls-alpn-01. ECDSA P-256 only.

import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { parseIPv6 } from '../../src/cluster/index.ts';
import { bits, boolean, integer, octets, oid, pem, primitive, sequence, set, tagged, time, utf8 } from './der.ts';

export interface CertificateForm {
  /** Common name; no more than a label for people. */
  readonly commonName: string;
  /** DNS names and addresses it is for. */
  readonly names: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** May sign others. */
  readonly isAuthority?: boolean;
  /** For who connects, not for who is connected to. */
  readonly isClient?: boolean;
  /** SHA-256 of a key authorization: makes it a proof of tls-alpn-01 (RFC 8737 §3). */
  readonly acmeIdentifier?: Uint8Array;
}

export interface KeyedCertificate {
  /** PEM. */
  readonly certificate: string;
  /** PKCS#8 PEM. Never logged, never shown. */
  readonly key: string;
}

/** Who signs: absent, the certificate signs itself. */
export interface Signer {
  readonly commonName: string;
  readonly key: KeyObject;
  /** DER of its SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
}

/** A new key and a certificate for it. */
export function makeCertificate(form: CertificateForm, signer: Signer | null = null): KeyedCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const own = publicKey.export({ type: 'spki', format: 'der' });
  const by = signer ?? { commonName: form.commonName, key: privateKey, publicKey: own };
  return {
    certificate: signCertificate(form, own, by),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

/** A certificate for a key that somebody else has; `own`: DER of its SubjectPublicKeyInfo. PEM. */
export function signCertificate(form: CertificateForm, own: Uint8Array, by: Signer): string {
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'));
  const unsigned = sequence(
    tagged(0, integer(Buffer.from([2]))),
    // Positive, and at most 20 octets.
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    algorithm,
    nameOf(by.commonName),
    sequence(time(form.notBefore), time(form.notAfter)),
    nameOf(form.commonName),
    own,
    tagged(3, sequence(...extensionsOf(form, own, by.publicKey))),
  );
  return pem('CERTIFICATE', sequence(unsigned, algorithm, bits(sign('sha256', unsigned, by.key))));
}

/** A distinguished name of a common name alone. */
export const nameOf = (commonName: string): Buffer => sequence(set(sequence(oid('2.5.4.3'), utf8(commonName))));

/** subjectAltName's value (RFC 5280 §4.2.1.6) for DNS names and addresses; also what a request asks for. */
export function alternativeNames(names: readonly string[]): Buffer {
  return sequence(
    ...names.map((name) => {
      const address = addressBytes(name);
      return address === null ? primitive(2, Buffer.from(name, 'latin1')) : primitive(7, address);
    }),
  );
}

/** One entry of `Extensions`. */
export const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
  sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));

function extensionsOf(form: CertificateForm, own: Uint8Array, signers: Uint8Array): readonly Buffer[] {
  const { isAuthority = false, isClient = false, names, acmeIdentifier } = form;
  const purpose = isClient ? '1.3.6.1.5.5.7.3.2' : '1.3.6.1.5.5.7.3.1';
  // keyCertSign and cRLSign, or digitalSignature.
  const usage = isAuthority ? bits(Buffer.from([0x06]), 1) : bits(Buffer.from([0x80]), 7);
  return [
    extension('2.5.29.19', true, isAuthority ? sequence(boolean(true)) : sequence()),
    extension('2.5.29.15', true, usage),
    ...(isAuthority ? [] : [extension('2.5.29.37', false, sequence(oid(purpose)))]),
    extension('2.5.29.14', false, octets(keyId(own))),
    extension('2.5.29.35', false, sequence(primitive(0, keyId(signers)))),
    ...(names.length === 0 ? [] : [extension('2.5.29.17', false, alternativeNames(names))]),
    ...(acmeIdentifier === undefined ? [] : [extension('1.3.6.1.5.5.7.1.31', true, octets(acmeIdentifier))]),
  ];
}

const keyId = (publicKey: Uint8Array): Buffer => createHash('sha1').update(publicKey).digest();

function addressBytes(name: string): Buffer | null {
  if (isIPv4(name)) return Buffer.from(name.split('.').map(Number));
  if (!isIPv6(name)) return null;
  const groups = parseIPv6(name);
  return groups === null ? null : Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}
