// What the set of certificates is told of one authority: what is there, and what a person should know, by name.

import type { CertificatePicture, CertificateProblem } from '../../src/ports/index.ts';
import { coversName, namesOf } from '../certificate-names.ts';
import type { Trouble } from './authority.ts';
import type { Attempts, KeptCertificate } from './kept.ts';
import { nameOf, type Wanted } from './wanted.ts';

export interface PictureParts {
  readonly certificates: readonly KeptCertificate[];
  readonly attempts: ReadonlyMap<string, Attempts>;
  /** Null while nobody knows. */
  readonly wanted: Wanted | null;
  /** Keys of the store. */
  readonly damaged: readonly string[];
  readonly storeProblem: string | null;
  readonly authority: { readonly name: string; readonly trouble: Trouble | null };
  /** Names whose certificate should be there, or be renewed, by now. */
  readonly waiting: readonly string[];
  readonly renewAt: (certificate: KeptCertificate) => number;
  /** Epoch milliseconds. */
  readonly now: number;
}

const mostNamed = 3;

export function pictureOf(parts: PictureParts): CertificatePicture {
  const wanted = new Set(parts.wanted?.certificates.map(({ id }) => id));
  const served = parts.certificates.filter((one) => wanted.has(one.id) || isServed(one, parts));
  const entries = served.map((certificate) => {
    const { id, chain, key } = certificate;
    return { origin: originOf(id), chain, key, isWhole: true, renewAt: parts.renewAt(certificate) };
  });
  return { entries, problems: [...problemsOfAuthority(parts), ...problemsOfNames(parts)] };
}

/** Beside what is wanted: what is good still, since routes come and go, and are not known yet after a start. */
function isServed(certificate: KeptCertificate, { wanted, certificates, renewAt, now }: PictureParts): boolean {
  if (wanted === null || renewAt(certificate) > now) return true;
  const { names } = namesOf(certificate.leaf);
  const isThere = (id: string): boolean => certificates.some((one) => one.id === id);
  return wanted.certificates.some(({ id, name }) => !isThere(id) && coversName(names, name));
}

function problemsOfAuthority({
  authority,
  waiting,
  storeProblem,
  damaged,
}: PictureParts): readonly CertificateProblem[] {
  const problems: CertificateProblem[] = [];
  const { name, trouble } = authority;
  if (trouble !== null) {
    const rest = waiting.length > mostNamed ? ` and ${waiting.length - mostNamed} more` : '';
    const names = waiting.length === 0 ? '' : `${waiting.slice(0, mostNamed).join(', ')}${rest} must wait; `;
    const hint = `${names}${trouble.hint}; it is asked again at ${timeOf(trouble.until)}`;
    problems.push({ origin: `acme ${name}`, reason: trouble.reason, hint });
  }
  if (storeProblem !== null)
    problems.push({ origin: 'acme store', reason: storeProblem, hint: 'nothing is ordered that could not be kept' });
  for (const key of damaged)
    problems.push({ origin: `acme store ${key}`, reason: 'cannot be read', hint: 'its certificate is ordered anew' });
  return problems;
}

function problemsOfNames({ wanted, attempts }: PictureParts): readonly CertificateProblem[] {
  const failed = (wanted?.certificates ?? []).flatMap(({ id }) => {
    const last = attempts.get(id);
    if (last === undefined) return [];
    const times = last.failures === 1 ? '' : ` (${last.failures} times)`;
    const hint = `${last.hint}; it is ordered again at ${timeOf(last.notBefore)}`;
    return [{ origin: originOf(id), reason: `order failed${times}: ${last.reason}`, hint }];
  });
  const impossible = (wanted?.impossible ?? []).map((name) => ({
    origin: `acme ${name}`,
    reason: 'a certificate with a star is issued by dns-01 alone',
    hint: 'set challenge: dns-01 with a hook, or route the names one by one',
  }));
  return [...failed, ...impossible];
}

const originOf = (id: string): string => `acme ${nameOf(id)}`;

const timeOf = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`;
