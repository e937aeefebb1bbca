// Judges what a source handed in: does the key fit, is the chain whole, would OpenSSL take it, until when is it good.

import { createHash, createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { CertificateEntry } from '../src/ports/index.ts';
import { codeOf, messageOf } from '../src/runtime/index.ts';
import { namesOf } from './certificate-names.ts';
import { orderChain } from './order-chain.ts';
import { pemBlocks } from './pem-blocks.ts';
import { isRefused, refuse, type Refused } from './refused.ts';
import type { ServedCertificate } from './tls-material.ts';

export interface CheckedCertificate {
  readonly origin: string;
  readonly served: ServedCertificate;
  /** Of the leaf, for people: colons between hex octets. */
  readonly fingerprint: string;
  readonly issuer: string;
  /** What is not as it should be and does not keep it from being served. */
  readonly faults: readonly Refused[];
}

/** Issuers that any file has, by subject, and whether clients have a root of that subject. */
export interface Issuers {
  readonly pool: ReadonlyMap<string, readonly X509Certificate[]>;
  isRoot(subject: string): boolean;
}

/** Checks everything but the time. */
export function checkCertificate(entry: CertificateEntry, issuers: Issuers): CheckedCertificate | Refused {
  const parsed = parseCertificates(entry.chain);
  if (isRefused(parsed)) return parsed;
  const key = readKey(entry.key);
  if (isRefused(key)) return key;
  const leaf = parsed.find((certificate) => certificate.checkPrivateKey(key));
  if (leaf === undefined)
    return refuse('the key matches no certificate of it', 'give the key that the certificate was requested with');
  const weak = weaknessOf(key);
  if (weak !== null) return weak;
  const found = namesOf(leaf);
  if (found.names.length === 0)
    return refuse('it is for no name that a client could ask for', 'have it issued with DNS alternative names');
  const ordered = orderChain(
    leaf,
    parsed.filter((certificate) => certificate !== leaf),
    issuers.pool,
    (subject) => issuers.isRoot(subject),
  );
  const chain = ordered.certificates.map((certificate) => certificate.toString()).join('');
  const pem = key.export({ type: 'pkcs8', format: 'pem' }) as string;
  const problem = tryOut(chain, pem);
  if (problem !== null) return problem;
  return {
    origin: entry.origin,
    fingerprint: leaf.fingerprint256,
    issuer: oneLine(leaf.issuer),
    faults: faultsOf(found, entry.isWhole === true ? null : ordered.missing),
    served: {
      id: createHash('sha256').update(chain).digest('base64url'),
      names: found.names,
      origin: entry.origin,
      keyType: key.asymmetricKeyType === 'ec' || key.asymmetricKeyType === 'rsa' ? key.asymmetricKeyType : 'other',
      notBefore: Date.parse(leaf.validFrom),
      notAfter: Date.parse(leaf.validTo),
      chain,
      key: pem,
    },
  };
}

/** The certificates of a PEM text. */
export function parseCertificates(text: string): X509Certificate[] | Refused {
  const { certificates } = pemBlocks(text);
  try {
    const parsed = certificates.map((block) => new X509Certificate(block));
    return parsed.length > 0 ? parsed : refuse('there is no certificate in it', 'put the certificate into the file');
  } catch {
    return refuse('a certificate in it cannot be read', 'it is damaged or half written: write the file again');
  }
}

/** A key from PEM, unlocked by `passphrase` where it is encrypted. */
export function readKey(pem: string, passphrase: string | null = null): KeyObject | Refused {
  const isLocked = /BEGIN ENCRYPTED PRIVATE KEY|^Proc-Type: 4,ENCRYPTED/m.test(pem);
  if (isLocked && passphrase === null)
    return refuse('its key is encrypted, and there is no passphrase', 'give the passphrase as password: of the source');
  try {
    return createPrivateKey({ key: pem, ...(passphrase === null ? {} : { passphrase }) });
  } catch (error) {
    return isLocked && /BAD_DECRYPT|BAD_PASS|PKCS12|INTERRUPTED/i.test(`${codeOf(error)} ${messageOf(error)}`)
      ? refuse('wrong passphrase: its key stays locked', 'correct password: of the source')
      : refuse('its key cannot be read', 'it is damaged, half written or of an unknown kind: write the file again');
  }
}

function weaknessOf(key: KeyObject): Refused | null {
  const { modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  return key.asymmetricKeyType === 'rsa' && modulusLength < 2048
    ? refuse(`weak key: RSA with ${modulusLength} bits`, 'have it issued anew with an EC P-256 or RSA 2048 key')
    : null;
}

function tryOut(cert: string, key: string): Refused | null {
  try {
    createSecureContext({ cert, key });
    return null;
  } catch (error) {
    return refuse(`OpenSSL refuses it: ${messageOf(error)}`, 'have it issued anew with a key and digest of today');
  }
}

function faultsOf(found: ReturnType<typeof namesOf>, missing: string | null): Refused[] {
  const faults: Refused[] = [];
  if (missing !== null) {
    faults.push(
      refuse(
        `incomplete chain: its issuer "${oneLine(missing)}" is in no file`,
        'append the certificates of the authorities to the file; clients that have this issuer do without',
      ),
    );
  }
  if (found.byCommonName)
    faults.push(refuse('it has a common name alone, which browsers ignore', 'have it issued with alternative names'));
  for (const name of found.unusable)
    faults.push(refuse(`its name "${name}" is not used`, 'a star must be the whole leftmost label'));
  return faults;
}

const oneLine = (name: string): string => name.replaceAll('\n', ', ');
