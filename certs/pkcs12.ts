// PKCS#12 files (.p12, .pfx), modern ones and those of older authorities (RC2, 3DES, SHA-1), which OpenSSL 3 no longer opens.

import type Forge from 'node-forge';
import { messageOf, onDemand } from '../src/runtime/index.ts';
import { refuse, type Refused } from './refused.ts';
import { pem } from './x509/index.ts';

const forge = onDemand<typeof Forge>('node-forge');

export interface Pkcs12Content {
  /** PEM blocks, in the order of the file. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
}

/** Unlocks the file. An absent passphrase is tried as the empty one and as none: tools differ. */
export function readPkcs12(bytes: Uint8Array, passphrase: string | null): Pkcs12Content | Refused {
  const structure = parse(bytes);
  if (structure === null) return refuse('it is no PKCS#12 file', 'it is damaged or half written: write the file again');
  let last: unknown = null;
  for (const { file, word } of attempts(structure, passphrase)) {
    try {
      return contentOf(forge().pkcs12.pkcs12FromAsn1(file, false, word));
    } catch (error) {
      last ??= error;
    }
  }
  const message = messageOf(last);
  if (!/password|MAC could not be verified|decrypt|padding|Too few bytes|ASN.1/i.test(message))
    return refuse(`it cannot be opened: ${message}`, 'export it again, with AES-256 and SHA-256');
  return passphrase === null
    ? refuse('it is locked, and there is no passphrase', 'give the passphrase as password: of the source')
    : refuse('wrong passphrase', 'correct password: of the source');
}

interface Attempt {
  readonly file: Forge.asn1.Asn1;
  readonly word: string | undefined;
}

/**
 * The old ciphers and the checksum take the characters of a passphrase, the modern ciphers its UTF-8; forge takes one for both. So a
 * passphrase beyond ASCII is tried a second time as UTF-8 and without the checksum: a wrong one gives nonsense, not a key.
 */
function attempts(file: Forge.asn1.Asn1, passphrase: string | null): readonly Attempt[] {
  if (passphrase === null || passphrase === '') return ['', undefined].map((word) => ({ file, word }));
  const word = Buffer.from(passphrase).toString('latin1');
  if (word === passphrase || !Array.isArray(file.value)) return [{ file, word: passphrase }];
  return [
    { file, word: passphrase },
    { file: { ...file, value: file.value.slice(0, 2) } as Forge.asn1.Asn1, word },
  ];
}

function parse(bytes: Uint8Array): Forge.asn1.Asn1 | null {
  try {
    return forge().asn1.fromDer(forge().util.createBuffer(Buffer.from(bytes).toString('latin1')));
  } catch {
    return null;
  }
}

function contentOf(file: Forge.pkcs12.Pkcs12Pfx): Pkcs12Content | Refused {
  const { certBag, keyBag, pkcs8ShroudedKeyBag } = forge().pki.oids as Record<string, string>;
  const bags = file.safeContents.flatMap(({ safeBags }) => safeBags);
  const certificates = bags.filter(({ type }) => type === certBag);
  const keys = bags.filter(({ type }) => type === keyBag || type === pkcs8ShroudedKeyBag);
  if (certificates.length === 0) return refuse('there is no certificate in it', 'export it with its certificates');
  const [key] = keys;
  if (key === undefined) return refuse('there is no key in it', 'export it with its private key');
  return {
    chain: certificates.map((bag) => pem('CERTIFICATE', derOf(bag))).join(''),
    key: pem('PRIVATE KEY', derOf(key)),
  };
}

/** forge reads RSA alone; what it does not know it leaves as it stands. */
function derOf({ cert, key, asn1 }: Forge.pkcs12.Bag): Buffer {
  const { pki } = forge();
  // Null, whatever its types say.
  const known = cert ? pki.certificateToAsn1(cert) : key ? pki.wrapRsaPrivateKey(pki.privateKeyToAsn1(key)) : asn1;
  return Buffer.from(forge().asn1.toDer(known).getBytes(), 'latin1');
}
