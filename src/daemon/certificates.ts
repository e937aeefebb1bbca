// Keeps the certificates of the daemon: hears the sources, holds the set, tells the workers, and answers people. Keys leave this file
// towards the workers alone.

import {
  checkCertificate,
  createCertificateSet,
  createChallengeBoard,
  createStapleKeeper,
  openFallback,
  wildcardOf,
  type CertificateListing,
  type ServedCertificate,
  type TlsMaterial,
} from '../../certs/index.ts';
import type { CertificateProblem } from '../ports/index.ts';
import { messageOf } from '../runtime/index.ts';
import { openCertificateSources, type CertificateSurroundings, type OpenSource } from './open-certificates.ts';
import { openTicketKeys } from './ticket-keys.ts';

export interface CertificatesOptions extends Omit<CertificateSurroundings, 'board' | 'coverage'> {
  /** Tells the workers; resolves when all that are there serve by it. */
  readonly publish: (material: TlsMaterial) => Promise<void>;
}

export interface Certificates {
  material(): TlsMaterial;
  listings(): readonly CertificateListing[];
  problems(): readonly CertificateProblem[];
  /** Routes changed: other hosts and files may be wanted. */
  routesChanged(): void;
  stop(): Promise<void>;
}

/** Without a source's first word by then, the listeners open with what there is. */
const firstPicturesMs = 2_000;
const reopenMs = 1_000;

/** Resolves when every source has said what it has, or time is up. */
export async function openCertificates(options: CertificatesOptions): Promise<Certificates> {
  const { clock, log, store, routed } = options;
  const set = createCertificateSet();
  const abort = new AbortController();
  const tickets = await openTicketKeys({ store, clock, log, onChange: () => tell() });
  const fallback = await fallbackOf(options);
  const material = (): TlsMaterial => ({
    certificates: set.served(),
    fallback,
    ticketKeys: tickets.current(),
    challenges: board.current(),
    staples: stapled.staples(),
  });
  const publish = (): Promise<void> => options.publish(material());
  const tell = (): void => {
    publish().catch((error: unknown) => log.error({ error: messageOf(error) }, 'bug: certificates are not told'));
  };
  const board = createChallengeBoard({ clock, publish });
  const stapled = createStapleKeeper({ clock, random: options.random, log, onChange: tell });
  const coverage = (): ((host: string) => boolean) => {
    const listed = set.listings(clock.now()).filter((one) => isFromElsewhere(one, clock.now()));
    const names = new Set(listed.flatMap((one) => one.names));
    return (host) => names.has(host) || names.has(wildcardOf(host) ?? '');
  };
  const sources = openCertificateSources({ ...options, board, coverage });
  const told = new Set<string>();
  const sayProblems = (): void => {
    const current = set.problems(clock.now());
    const lines = new Set(current.map(({ origin, reason }) => `${origin}\0${reason}`));
    for (const { origin, reason, hint } of current)
      if (!told.has(`${origin}\0${reason}`)) log.warn({ origin, reason, hint }, 'certificate has a problem');
    told.clear();
    for (const line of lines) told.add(line);
  };
  const followed = sources.map((source, place) =>
    follow(source, options, abort.signal, (picture) => {
      set.take(place, picture);
      stapled.follow(set.served());
      sayProblems();
      tell();
    }),
  );
  const first = Promise.all(followed.map((one) => one.first));
  await Promise.race([first, new Promise<void>((resolve) => void clock.after(firstPicturesMs, resolve))]);
  let lastRouted = JSON.stringify(routed());
  exportExpiry(options, set.listings);
  return {
    material,
    listings: () => set.listings(clock.now()),
    problems: () => set.problems(clock.now()),
    routesChanged() {
      const now = JSON.stringify(routed());
      if (now === lastRouted) return;
      lastRouted = now;
      for (const source of sources) source.look?.();
    },
    async stop() {
      abort.abort();
      tickets.stop();
      stapled.stop();
      const ended = Promise.all(followed.map((one) => one.ended));
      await Promise.race([ended, new Promise<void>((resolve) => void clock.after(1_000, resolve))]);
    },
  };
}

const isFromElsewhere = ({ origin, notAfter }: CertificateListing, now: number): boolean =>
  !/^(acme|selfSigned) /.test(origin) && Date.parse(notAfter) > now;

interface Followed {
  readonly first: Promise<void>;
  readonly ended: Promise<void>;
}

/** Hears one source until `signal` ends it; a source that breaks is opened again. */
function follow(
  source: OpenSource,
  { clock, log }: CertificatesOptions,
  signal: AbortSignal,
  take: (picture: Parameters<ReturnType<typeof createCertificateSet>['take']>[1]) => void,
): Followed {
  let spoke = (): void => undefined;
  const first = new Promise<void>((resolve) => (spoke = resolve));
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        for await (const picture of source.watch(signal)) {
          take(picture);
          spoke();
        }
      } catch (error) {
        log.error(
          { source: source.name, error: messageOf(error) },
          'source of certificates failed; it is opened again',
        );
      }
      spoke();
      if (!signal.aborted) await new Promise<void>((resolve) => void clock.after(reopenMs, resolve));
    }
  };
  return { first, ended: run() };
}

async function fallbackOf({ store, clock }: CertificatesOptions): Promise<ServedCertificate | null> {
  const entry = await openFallback(store, clock);
  const checked = checkCertificate(entry, { pool: new Map(), isRoot: () => true });
  return 'refused' in checked ? null : checked.served;
}

function exportExpiry(
  { metrics, clock }: CertificatesOptions,
  listings: (now: number) => readonly CertificateListing[],
): void {
  const seconds = metrics.gauge(
    'certs_expiry_seconds',
    'Seconds until a certificate ends, negative once it has; of several for one name and kind of key, the last one.',
    ['name', 'key'],
    'max',
  );
  let shown = new Set<string>();
  metrics.onRead(() => {
    const now = clock.now();
    const ends = new Map<string, number>();
    for (const { name, keyType, notAfter } of listings(now)) {
      const key = `${name}\0${keyType}`;
      ends.set(key, Math.max(ends.get(key) ?? -Infinity, (Date.parse(notAfter) - now) / 1000));
    }
    for (const key of shown) if (!ends.has(key)) seconds.drop(...key.split('\0'));
    for (const [key, end] of ends) seconds.cell(...key.split('\0')).value = Math.round(end);
    shown = new Set(ends.keys());
  });
}
