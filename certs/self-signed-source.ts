// Certificates for development, signed by a CA of our own that is kept, so that it is trusted once.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { CertificateEntry, CertificateSource, Store } from '../src/ports/index.ts';
import { messageOf, sleep, type Clock, type Logger } from '../src/runtime/index.ts';
import { pemBlocks } from './pem-blocks.ts';
import { makeCertificate, type KeyedCertificate, type Signer } from './x509/index.ts';

export interface SelfSignedOptions {
  /** Names and `*.name`s; asked again once a look. */
  readonly hosts: () => readonly string[];
  /** Where the store keeps the CA's certificate as a file; null: nowhere. */
  readonly certificateFile: string | null;
  /** Null: the CA lasts as long as the process. */
  readonly store: Store | null;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface SelfSignedSource extends CertificateSource {
  /** `hosts` are others now. */
  look(): void;
}

/** Keys of the store; the certificate stands alone, as it is what people copy. */
export const authorityKeys = { certificate: 'certs/development-ca.pem', key: 'certs/development-ca.key' };

/** What makes a Debian machine trust the CA. */
const trustCommand = (file: string): string =>
  `sudo cp ${file} /usr/local/share/ca-certificates/isthmus-development.crt && sudo update-ca-certificates`;

const dayMs = 86_400_000;
const leafDays = 90;
const renewAtDays = 30;
const authorityDays = 3650;
const everyMs = dayMs / 2;
const authorityName = 'isthmus development CA';

export function createSelfSignedSource({
  hosts,
  certificateFile,
  store,
  clock,
  log,
}: SelfSignedOptions): SelfSignedSource {
  let wake = (): void => undefined;
  return {
    name: 'selfSigned',
    look: () => wake(),
    async *watch(signal) {
      const authority = await openAuthority(store, clock, log);
      if (certificateFile !== null) log.info({ trust: trustCommand(certificateFile) }, 'a development CA signs');
      const made = new Map<string, { readonly until: number; readonly entry: CertificateEntry }>();
      let last = '';
      while (!signal.aborted) {
        const woken = new AbortController();
        wake = () => woken.abort();
        for (const host of hosts()) {
          const held = made.get(host);
          if (held === undefined || held.until - clock.now() < renewAtDays * dayMs)
            made.set(host, issue(host, authority, clock));
        }
        for (const host of [...made.keys()]) if (!hosts().includes(host)) made.delete(host);
        const entries = [...made.values()].map(({ entry }) => entry);
        const print = entries.map(({ chain }) => chain).join();
        if (print !== last || last === '') yield { entries, problems: [] };
        last = print === '' ? 'none' : print;
        await sleep(clock, everyMs, AbortSignal.any([signal, woken.signal]));
      }
    },
  };
}

function issue(
  host: string,
  signer: Authority,
  clock: Clock,
): { readonly until: number; readonly entry: CertificateEntry } {
  const until = clock.now() + leafDays * dayMs;
  const { certificate, key } = makeCertificate(
    {
      commonName: host.slice(0, 64),
      names: [host],
      notBefore: new Date(clock.now() - dayMs),
      notAfter: new Date(until),
    },
    signer,
  );
  return { until, entry: { origin: `selfSigned ${host}`, chain: `${certificate}${signer.certificate}`, key } };
}

/** With its certificate, PEM. */
type Authority = Signer & { readonly certificate: string };

async function openAuthority(store: Store | null, clock: Clock, log: Logger): Promise<Authority> {
  const kept = await readKept(store, clock, log);
  if (kept !== null) return signerOf(kept);
  const made = makeCertificate({
    commonName: authorityName,
    names: [],
    notBefore: new Date(clock.now() - dayMs),
    notAfter: new Date(clock.now() + authorityDays * dayMs),
    isAuthority: true,
  });
  try {
    await store?.write(authorityKeys.key, Buffer.from(made.key));
    await store?.write(authorityKeys.certificate, Buffer.from(made.certificate));
  } catch (error) {
    log.warn(
      { error: messageOf(error) },
      'the development CA cannot be kept; it has to be trusted again after a restart',
    );
  }
  return signerOf(made);
}

async function readKept(store: Store | null, clock: Clock, log: Logger): Promise<KeyedCertificate | null> {
  if (store === null) return null;
  try {
    const certificate = await store.read(authorityKeys.certificate);
    const key = await store.read(authorityKeys.key);
    if (certificate === null || key === null) return null;
    const kept = { certificate: Buffer.from(certificate).toString(), key: Buffer.from(key).toString() };
    const parsed = new X509Certificate(kept.certificate);
    const isGood =
      parsed.checkPrivateKey(createPrivateKey(kept.key)) && Date.parse(parsed.validTo) > clock.now() + leafDays * dayMs;
    return isGood ? kept : null;
  } catch (error) {
    log.warn(
      { error: messageOf(error) },
      'the kept development CA cannot be used; another one is made, to be trusted anew',
    );
    return null;
  }
}

function signerOf({ certificate, key }: KeyedCertificate): Authority {
  const publicKey = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return { commonName: authorityName, key: createPrivateKey(key), publicKey, certificate };
}

/** What answers where no certificate was given at all: it signs itself, and is kept so that people who accepted it once stay accepted. */
export async function openFallback(store: Store | null, clock: Clock): Promise<CertificateEntry> {
  const kept = store === null ? null : await store.read(fallbackKey).catch(() => null);
  const text = kept === null ? null : Buffer.from(kept).toString();
  const blocks = text === null ? null : pemBlocks(text);
  const [certificate, key] = [blocks?.certificates[0], blocks?.keys[0]];
  if (certificate !== undefined && key !== undefined && isFresh(certificate, clock))
    return { origin: 'fallback', chain: certificate, key };
  const made = makeCertificate({
    commonName: 'isthmus',
    names: ['isthmus.invalid'],
    notBefore: new Date(clock.now() - dayMs),
    notAfter: new Date(clock.now() + authorityDays * dayMs),
  });
  await store?.write(fallbackKey, Buffer.from(`${made.certificate}${made.key}`)).catch(() => undefined);
  return { origin: 'fallback', chain: made.certificate, key: made.key };
}

const fallbackKey = 'certs/fallback.pem';

function isFresh(certificate: string, clock: Clock): boolean {
  try {
    return Date.parse(new X509Certificate(certificate).validTo) > clock.now() + dayMs;
  } catch {
    return false;
  }
}
