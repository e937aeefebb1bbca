// From the files of one folder to certificates with their keys: together in a file, or side by side under whatever names.

import { X509Certificate, type KeyObject } from 'node:crypto';
import type { CertificateEntry, CertificatePicture, CertificateProblem } from '../src/ports/index.ts';
import { readKey } from './check-certificate.ts';
import type { FileContent } from './file-reading.ts';
import type { PemBlocks } from './pem-blocks.ts';
import { isRefused, refuse, type Refused } from './refused.ts';

interface FoundKey {
  readonly path: string;
  readonly key: KeyObject | Refused;
}

/** `files`: path to content, all of one folder. `passphrase` unlocks keys. */
export function pairFiles(files: ReadonlyMap<string, FileContent>, passphrase: string | null): CertificatePicture {
  const entries: CertificateEntry[] = [];
  const problems: CertificateProblem[] = [];
  const say = (origin: string, { refused, hint }: Refused): void =>
    void problems.push({ origin, reason: refused, hint });
  const usable = new Map<string, PemBlocks>();
  for (const [path, content] of files) {
    if (isRefused(content)) say(path, content);
    else usable.set(path, content);
  }
  const keys = [...usable].flatMap(([path, blocks]) =>
    blocks.keys.map((pem): FoundKey => ({ path, key: readKey(pem, passphrase) })),
  );
  const authorities = [...usable.values()].flatMap(({ certificates }) => certificates.filter(isAuthority)).join('');
  const usedKeys = new Set<string>();
  for (const [path, { certificates, keys: own }] of usable) {
    if (certificates.length === 0) continue;
    const found = keyFor(path, certificates, keys);
    const isBesideKey = own.length > 0 || keys.some((key) => isBeside(key.path, path));
    // Certificates of authorities alone, for the chains of the others.
    if (isRefused(found) && !isBesideKey && certificates.every(isAuthority)) continue;
    if (isRefused(found)) {
      say(path, found);
      for (const { path: keyPath } of keys) if (isBeside(keyPath, path)) usedKeys.add(keyPath);
      continue;
    }
    usedKeys.add(found.path);
    const key = found.key.export({ type: 'pkcs8', format: 'pem' }) as string;
    entries.push({ origin: path, chain: `${certificates.join('')}${authorities}`, key });
  }
  for (const [path, { certificates }] of usable)
    if (certificates.length === 0 && !usedKeys.has(path))
      say(path, refuse('it is a key without a certificate', 'put its certificate beside it, or remove it'));
  return { entries, problems };
}

/** The key of one of `certificates`: of the same file, else of a file of like name, else of any. */
function keyFor(
  path: string,
  certificates: readonly string[],
  keys: readonly FoundKey[],
): { readonly path: string; readonly key: KeyObject } | Refused {
  const parsed = certificates.map(parse);
  if (parsed.includes(null)) return refuse('a certificate in it cannot be read', 'it is damaged: write the file again');
  const near = keys.filter((one) => one.path === path);
  const beside = near.length > 0 ? near : keys.filter((one) => isBeside(one.path, path));
  const candidates = beside.length > 0 ? beside : keys;
  for (const { path: keyPath, key } of candidates)
    if (!isRefused(key) && parsed.some((certificate) => certificate?.checkPrivateKey(key) === true))
      return { path: keyPath, key };
  const locked = beside.find(({ key }) => isRefused(key))?.key;
  if (locked !== undefined && isRefused(locked)) return locked;
  return beside.length > 0
    ? refuse('the key does not match the certificate', 'give the key that the certificate was requested with')
    : refuse('there is no key for it', 'put the key into the file, or beside it as NAME.key');
}

/** `a.crt` and `a.key`, `a.pem` and `a.pem.key`, `fullchain.pem` and `privkey.pem` are matched by what is in them. */
const isBeside = (keyPath: string, path: string): boolean =>
  keyPath !== path && (keyPath === `${path}.key` || stem(keyPath) === stem(path));

const stem = (path: string): string => path.replace(/\.(pem|crt|cer|cert|key)$/i, '');

const isAuthority = (pem: string): boolean => parse(pem)?.ca === true;

function parse(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}
