// The set of certificates that is served, from the pictures of all sources: checked, the last good one of an origin kept while that origin
// has a problem, every problem said by origin and reason. Replaced whole.

import { createHash, X509Certificate } from 'node:crypto';
import { getCACertificates } from 'node:tls';
import type { CertificateEntry, CertificatePicture, CertificateProblem } from '../src/ports/index.ts';
import { coversName } from './certificate-names.ts';
import { checkCertificate, parseCertificates, type CheckedCertificate, type Issuers } from './check-certificate.ts';
import { isSelfIssued } from './order-chain.ts';
import { isRefused, type Refused } from './refused.ts';
import type { ServedCertificate } from './tls-material.ts';

/** What people see of one certificate: no key. */
export interface CertificateListing {
  readonly name: string;
  readonly names: readonly string[];
  readonly origin: string;
  readonly issuer: string;
  readonly keyType: string;
  /** ISO 8601. */
  readonly notBefore: string;
  readonly notAfter: string;
  /** When its source has another one issued. */
  readonly renewAt?: string;
  /** SHA-256 of the leaf. */
  readonly fingerprint: string;
  readonly problems: readonly string[];
}

export interface CertificateSet {
  /** One source's whole picture, by its place in the configuration. */
  take(place: number, picture: CertificatePicture): void;
  /** In the order of sources. */
  served(): readonly ServedCertificate[];
  listings(now: number): readonly CertificateListing[];
  /** All that people should mend. `now`: milliseconds since 1970. */
  problems(now: number): readonly CertificateProblem[];
}

interface Held {
  readonly picture: CertificatePicture;
  readonly checked: readonly CheckedCertificate[];
  readonly problems: readonly CertificateProblem[];
}

const dayMs = 86_400_000;
/** A certificate with less than this share of its life left has not been renewed when it should have (specs/l7.md §4.6). */
const lateShare = 1 / 6;

export function createCertificateSet(): CertificateSet {
  const places = new Map<number, Held>();
  const cache = new Map<string, CheckedCertificate | Refused>();
  const inOrder = (): readonly Held[] => [...places].sort(([a], [b]) => a - b).map(([, held]) => held);

  /** Certificates of authorities anywhere help to complete chains everywhere: when they change, all is checked again. */
  let pool: ReadonlyMap<string, readonly X509Certificate[]> = new Map();
  let poolPrint = '';

  const check = (entry: CertificateEntry, issuers: Issuers): CheckedCertificate | Refused => {
    const print = createHash('sha256')
      .update(`${poolPrint}\0${entry.origin}\0${entry.chain}\0${entry.key}`)
      .digest('hex');
    let result = cache.get(print);
    if (result === undefined) cache.set(print, (result = checkCertificate(entry, issuers)));
    used.add(print);
    return result;
  };
  let used = new Set<string>();

  const judge = (picture: CertificatePicture, former: Held | undefined): Held => {
    const issuers: Issuers = { pool, isRoot: (subject) => rootSubjects().has(subject) };
    const checked: CheckedCertificate[] = [];
    const problems = [...picture.problems];
    for (const entry of picture.entries) {
      const result = check(entry, issuers);
      if (isRefused(result)) problems.push({ origin: entry.origin, reason: result.refused, hint: result.hint });
      else checked.push(result);
    }
    const troubled = new Set(problems.map(({ origin }) => origin));
    const kept = (former?.checked ?? []).filter(
      ({ origin, served }) => troubled.has(origin) && !checked.some((one) => one.served.id === served.id),
    );
    // Where every name has found another certificate, the former one has been replaced.
    const wanted = kept.filter(
      ({ origin, served }) =>
        picture.entries.some((entry) => entry.origin === origin) ||
        !served.names.every((name) => checked.some((one) => coversName(one.served.names, name))),
    );
    return { picture, checked: [...checked, ...wanted], problems };
  };

  return {
    take(place, picture) {
      used = new Set();
      const former = places.get(place);
      const pictures = [...places].map(([at, held]) => (at === place ? picture : held.picture));
      if (former === undefined) pictures.push(picture);
      pool = authoritiesOf(pictures);
      poolPrint = [...pool.values()]
        .flat()
        .map(({ fingerprint256 }) => fingerprint256)
        .sort()
        .join();
      places.set(place, judge(picture, former));
      for (const [at, held] of places) if (at !== place) places.set(at, judge(held.picture, held));
      for (const print of [...cache.keys()]) if (!used.has(print)) cache.delete(print);
    },
    served() {
      const ids = new Set<string>();
      const all = inOrder().flatMap(({ checked }) => checked.map(({ served }) => served));
      return all.filter(({ id }) => !ids.has(id) && ids.add(id));
    },
    listings: (now) =>
      inOrder().flatMap(({ picture, checked, problems }) => {
        const renewals = new Map(picture.entries.map(({ origin, renewAt }) => [origin, renewAt]));
        return checked.map((one) => {
          const renewAt = renewals.get(one.origin);
          const said = [...problemsOf(one, now), ...problems.filter((it) => it.origin === one.origin)];
          return {
            ...listingOf(one, said),
            ...(renewAt === undefined ? {} : { renewAt: new Date(renewAt).toISOString() }),
          };
        });
      }),
    problems: (now) =>
      inOrder().flatMap(({ checked, problems }) => [
        ...problems.map((problem) =>
          checked.some(({ origin }) => origin === problem.origin)
            ? { ...problem, reason: `${problem.reason}; its last good version serves on` }
            : problem,
        ),
        ...checked.flatMap((one) => problemsOf(one, now)),
      ]),
  };
}

function problemsOf({ origin, served, faults }: CheckedCertificate, now: number): readonly CertificateProblem[] {
  const { notBefore, notAfter } = served;
  const say = (reason: string, hint: string): CertificateProblem => ({ origin, reason, hint });
  const problems = faults.map(({ refused, hint }) => say(refused, hint));
  const days = Math.floor((notAfter - now) / dayMs);
  if (now > notAfter) problems.push(say(`expired on ${day(notAfter)}`, 'renew it'));
  else if (now < notBefore) problems.push(say(`not valid before ${day(notBefore)}`, 'look at the clock, or wait'));
  else if (notAfter - now < (notAfter - notBefore) * lateShare)
    problems.push(say(`expires in ${days} days, on ${day(notAfter)}`, 'renew it'));
  return problems;
}

const day = (at: number): string => new Date(at).toISOString().slice(0, 10);

function listingOf(
  { origin, served, fingerprint, issuer }: CheckedCertificate,
  problems: readonly CertificateProblem[],
): CertificateListing {
  return {
    name: served.names[0] ?? '',
    names: served.names,
    origin,
    issuer,
    keyType: served.keyType,
    notBefore: new Date(served.notBefore).toISOString(),
    notAfter: new Date(served.notAfter).toISOString(),
    fingerprint,
    problems: problems.map(({ reason, hint }) => `${reason}; ${hint}`),
  };
}

function authoritiesOf(pictures: readonly CertificatePicture[]): ReadonlyMap<string, readonly X509Certificate[]> {
  const bySubject = new Map<string, X509Certificate[]>();
  for (const { entries } of pictures) {
    for (const { chain } of entries) {
      const parsed = parseCertificates(chain);
      if (isRefused(parsed)) continue;
      for (const certificate of parsed) {
        if (!certificate.ca || isSelfIssued(certificate)) continue;
        const held = bySubject.get(certificate.subject) ?? [];
        if (!held.some((one) => one.fingerprint256 === certificate.fingerprint256)) held.push(certificate);
        bySubject.set(certificate.subject, held);
      }
    }
  }
  return bySubject;
}

let roots: ReadonlySet<string> | null = null;

/** Subjects of the roots that Node and this machine trust: read once, when the first chain ends. */
function rootSubjects(): ReadonlySet<string> {
  roots ??= new Set(
    [...getCACertificates('bundled'), ...getCACertificates('system')].flatMap((pem) => {
      try {
        return [new X509Certificate(pem).subject];
      } catch {
        return [];
      }
    }),
  );
  return roots;
}
