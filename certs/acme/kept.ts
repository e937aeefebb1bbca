// What the store keeps of one authority: certificates with their keys, and how often each one that is wanted could not be had.

import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import type { Store } from '../../src/ports/index.ts';
import type { Issued } from './order.ts';

export interface KeptCertificate extends Issued {
  readonly id: string;
  readonly leaf: X509Certificate;
}

/** Orders that failed one after another. */
export interface Attempts {
  readonly failures: number;
  /** Epoch milliseconds: none before. */
  readonly notBefore: number;
  readonly reason: string;
  readonly hint: string;
}

export interface Kept {
  readonly accountKey: string;
  readonly lockKey: string;
  /** All that can be read; what cannot is told to `onDamaged` by its key. */
  certificates(onDamaged: (key: string) => void): Promise<readonly KeptCertificate[]>;
  keep(id: string, issued: Issued): Promise<KeptCertificate>;
  forget(id: string): Promise<void>;
  attempts(id: string): Promise<Attempts | null>;
  /** Null: it was had. */
  setAttempts(id: string, attempts: Attempts | null): Promise<void>;
}

/** `directory`: the authority's URL; each has a folder of its own, named by host and print. */
export function createKept(store: Store, directory: string): Kept {
  const print = createHash('sha256').update(directory).digest('hex').slice(0, 8);
  const folder = `certs/acme/${new URL(directory).hostname.replace(/[^a-z0-9.-]/g, '')}-${print}`;
  const [issued, attempted] = [`${folder}/issued/`, `${folder}/attempts/`];
  const remove = async (key: string): Promise<void> => {
    const bytes = await store.read(key);
    if (bytes !== null) await store.compareAndSet(key, bytes, null);
  };
  return {
    accountKey: `${folder}/account.json`,
    lockKey: `${folder}/lock.json`,
    async certificates(onDamaged) {
      const found: KeptCertificate[] = [];
      for (const key of await store.list(issued)) {
        const bytes = await store.read(key);
        if (bytes === null) continue;
        const certificate = parseKept(key.slice(issued.length).replace(/\.json$/, ''), bytes);
        if (certificate === null) onDamaged(key);
        else found.push(certificate);
      }
      return found;
    },
    async keep(id, { chain, key }) {
      const leaf = new X509Certificate(chain);
      await store.write(`${issued}${id}.json`, Buffer.from(JSON.stringify({ chain, key })));
      return { id, chain, key, leaf };
    },
    forget: (id) => remove(`${issued}${id}.json`),
    async attempts(id) {
      const bytes = await store.read(`${attempted}${id}.json`);
      return bytes === null ? null : parseAttempts(bytes);
    },
    setAttempts: (id, attempts) =>
      attempts === null
        ? remove(`${attempted}${id}.json`)
        : store.write(`${attempted}${id}.json`, Buffer.from(JSON.stringify(attempts))),
  };
}

function parseKept(id: string, bytes: Uint8Array): KeptCertificate | null {
  try {
    const { chain, key } = JSON.parse(Buffer.from(bytes).toString()) as Partial<Issued>;
    if (typeof chain !== 'string' || typeof key !== 'string') return null;
    const leaf = new X509Certificate(chain);
    return leaf.checkPrivateKey(createPrivateKey(key)) ? { id, chain, key, leaf } : null;
  } catch {
    return null;
  }
}

function parseAttempts(bytes: Uint8Array): Attempts | null {
  try {
    const { failures, notBefore, reason, hint } = JSON.parse(Buffer.from(bytes).toString()) as Partial<Attempts>;
    const isWhole = typeof failures === 'number' && typeof notBefore === 'number' && typeof reason === 'string';
    return isWhole ? { failures, notBefore, reason, hint: hint ?? '' } : null;
  } catch {
    return null;
  }
}
