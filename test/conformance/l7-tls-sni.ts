// Which certificate answers a ClientHello: real certificates through the set and the table that the daemon uses.

import { createCertificateSet, createNameTable, makeCertificate, type ServedCertificate } from '../../certs/index.ts';
import type { CertificateEntry } from '../../src/ports/index.ts';
import { judge, rowOf, rowsOf, same, textsOf, type Report, type Row } from './l7-outcome.ts';

const dayMs = 86_400_000;
const today = '2026-11-20';
const caseKeys = new Set(['source', 'sni', 'certificates', 'expect', 'strict', 'now', 'notes']);
const certificateKeys = new Set(['names', 'id', 'notBefore', 'notAfter']);

export async function runTlsSni(cases: unknown, report: Report): Promise<void> {
  for (const [index, row] of rowsOf(rowOf(cases)['cases'], 'cases').entries())
    await judge(`tls-sni ${index} ${String(row['source'])}`, report, () => compare(row));
}

function compare(row: Row): readonly string[] {
  const unknown = [
    ...Object.keys(row).filter((key) => !caseKeys.has(key)),
    ...rowsOf(row['certificates'], 'certificates').flatMap((one) =>
      Object.keys(one).filter((key) => !certificateKeys.has(key)),
    ),
  ];
  if (unknown.length > 0) return [`has ${unknown.join(', ')}, which the runner does not know`];
  const now = Date.parse(String(row['now'] ?? today));
  const ids = new Map<string, string>();
  const set = createCertificateSet();
  const entries = rowsOf(row['certificates'], 'certificates').map((one, index) => entryOf(one, index, now));
  set.take(0, { entries, problems: [] });
  for (const [index, one] of rowsOf(row['certificates'], 'certificates').entries())
    for (const { origin, fingerprint } of set.listings(now))
      if (origin === `certificate ${index}` && typeof one['id'] === 'string') ids.set(fingerprint, `id:${one['id']}`);
  const table = createNameTable<ServedCertificate>(set.served(), null);
  const sni = typeof row['sni'] === 'string' ? row['sni'] : null;
  const strict = row['strict'] === true;
  const choice = table.choose(sni, now, strict);
  const listing = set.listings(now).find(({ names }) => names === choice?.certificates[0]?.names);
  const chosen = ids.get(listing?.fingerprint ?? '') ?? listing?.name;
  const actual = choice === null ? (strict ? 'close' : 'default') : choice.matched ? chosen : 'default';
  return same('the certificate', actual, row['expect']);
}

function entryOf(row: Row, index: number, now: number): CertificateEntry {
  const names = textsOf(row['names']);
  const date = (key: string, otherwise: number): Date =>
    new Date(typeof row[key] === 'string' ? Date.parse(row[key]) : otherwise);
  const { certificate, key } = makeCertificate({
    commonName: `certificate ${index}`,
    names,
    notBefore: date('notBefore', Math.min(now, date('notAfter', now).getTime()) - 90 * dayMs),
    notAfter: date('notAfter', now + 90 * dayMs),
  });
  return { origin: `certificate ${index}`, chain: certificate, key };
}
