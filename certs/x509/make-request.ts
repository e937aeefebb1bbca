// Makes requests for certificates (PKCS#10, RFC 2986), with the key that the certificate is to be for.

import { generateKeyPair, sign, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { bits, element, integer, oid, sequence, set, tagged } from './der.ts';
import { alternativeNames, extension, nameOf } from './make-certificate.ts';

export interface CertificateRequest {
  readonly der: Buffer;
  /** PKCS#8 PEM. Never logged, never shown. */
  readonly key: string;
}

const makeKeys = promisify(generateKeyPair);
const rsaBits = 2048;

/** A new key (ECDSA P-256, or RSA of 2048 bits, off this thread) and a request for `names`. The longest common name is 64 characters (RFC 5280). */
export async function makeRequest(names: readonly string[], keyType: 'ecdsa' | 'rsa'): Promise<CertificateRequest> {
  const { publicKey, privateKey } =
    keyType === 'rsa'
      ? await makeKeys('rsa', { modulusLength: rsaBits })
      : await makeKeys('ec', { namedCurve: 'P-256' });
  const [first = ''] = names;
  const unsigned = sequence(
    integer(Buffer.from([0])),
    first.length > 64 ? sequence() : nameOf(first),
    publicKey.export({ type: 'spki', format: 'der' }),
    // extensionRequest (RFC 2985 §5.4.2)
    tagged(
      0,
      sequence(oid('1.2.840.113549.1.9.14'), set(sequence(extension('2.5.29.17', false, alternativeNames(names))))),
    ),
  );
  return {
    der: sequence(unsigned, signatureAlgorithm(keyType), bits(signed(unsigned, privateKey))),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

const signed = (bytes: Uint8Array, key: KeyObject): Buffer => sign('sha256', bytes, key);

/** sha256WithRSAEncryption has a null as its parameter (RFC 4055 §5), ecdsa-with-SHA256 has none (RFC 5758 §3.2). */
const signatureAlgorithm = (keyType: 'ecdsa' | 'rsa'): Buffer =>
  keyType === 'rsa' ? sequence(oid('1.2.840.113549.1.1.11'), element(0x05)) : sequence(oid('1.2.840.10045.4.3.2'));
