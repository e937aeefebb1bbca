// The blocks of a PEM file (RFC 7468): certificates and keys in whatever order, with text around them, as people put them together.

export interface PemBlocks {
  /** Each a whole block. */
  readonly certificates: readonly string[];
  readonly keys: readonly string[];
  /** A block that begins and does not end: the file is being written, or was cut. */
  readonly isCut: boolean;
}

/** Sorts the blocks of `text` by what they are; other kinds (DH parameters, requests) are passed over. */
export function pemBlocks(text: string): PemBlocks {
  const certificates: string[] = [];
  const keys: string[] = [];
  let matched = 0;
  for (const [block, label = ''] of text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g)) {
    matched++;
    if (label === 'CERTIFICATE' || label === 'X509 CERTIFICATE' || label === 'TRUSTED CERTIFICATE')
      certificates.push(`${block}\n`);
    else if (label.endsWith('PRIVATE KEY')) keys.push(`${block}\n`);
  }
  const begun = text.match(/-----BEGIN /g)?.length ?? 0;
  return { certificates, keys, isCut: begun > matched };
}
