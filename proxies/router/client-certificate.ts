// What a backend is told of the client's certificate, as Traefik 1.7 writes it: the PEM's inside, and facts that labels choose. Both are
// escaped as in a query. They are written once a connection.

import { X509Certificate } from 'node:crypto';
import type { Peer } from '../http1/index.ts';
import type { ClientCertificateFields } from './options-record.ts';

export type CertificateLines = (peer: Peer) => string;

export const certificateFields: readonly string[] = [
  'x-forwarded-tls-client-cert',
  'x-forwarded-tls-client-cert-infos',
];

/** Lines, each with its CRLF; '' where the client showed no certificate. */
export function certificateLines(asked: ClientCertificateFields): CertificateLines {
  const written = new WeakMap<Buffer, string>();
  return ({ tls }) => {
    const der = tls?.clientCertificate ?? null;
    if (der === null) return '';
    let lines = written.get(der);
    if (lines === undefined) written.set(der, (lines = linesOf(der, asked)));
    return lines;
  };
}

function linesOf(der: Buffer, { pem, facts }: ClientCertificateFields): string {
  const whole = pem ? `X-Forwarded-Tls-Client-Cert: ${escaped(der.toString('base64'))}\r\n` : '';
  const told = facts.length === 0 ? '' : factsOf(new X509Certificate(der), new Set(facts));
  return told === '' ? whole : `${whole}X-Forwarded-Tls-Client-Cert-Infos: ${escaped(told)}\r\n`;
}

function factsOf(certificate: X509Certificate, facts: ReadonlySet<string>): string {
  const { subject, issuer, validFrom, validTo, subjectAltName } = certificate;
  const seconds = (text: string): number => Math.floor(Date.parse(text) / 1000);
  const names = namesOf(subjectAltName ?? '');
  return [
    nameText('Subject', 'subject', subject, facts),
    nameText('Issuer', 'issuer', issuer, facts),
    facts.has('notBefore') ? `NB="${seconds(validFrom)}"` : '',
    facts.has('notAfter') ? `NA="${seconds(validTo)}"` : '',
    facts.has('sans') && names !== '' ? `SAN="${names}"` : '',
  ]
    .filter((part) => part !== '')
    .join(',');
}

/** In Traefik's order, under its names and OpenSSL's. */
const attributes = [
  ['domainComponent', 'DC', 'DC'],
  ['country', 'C', 'C'],
  ['province', 'ST', 'ST'],
  ['locality', 'L', 'L'],
  ['organization', 'O', 'O'],
  ['serialNumber', 'SN', 'serialNumber'],
  ['commonName', 'CN', 'CN'],
] as const;

/** `name`: one attribute a line, `CN=eva`, with what RFC 4514 escapes escaped. */
function nameText(title: string, kind: string, name: string, facts: ReadonlySet<string>): string {
  const lines = name.split('\n').map((line): readonly [string, string] => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1).replace(/\\(.)/g, '$1')];
  });
  const parts = attributes
    .filter(([fact]) => facts.has(`${kind}.${fact}`))
    .flatMap(([, short, long]) => lines.filter(([key]) => key === long).map(([, value]) => `${short}=${value}`));
  return parts.length === 0 ? '' : `${title}="${parts.join(',')}"`;
}

/** From `DNS:a.example, IP Address:10.0.0.1` to `a.example,10.0.0.1`. */
const namesOf = (text: string): string =>
  text
    .split(', ')
    .map((name) => name.slice(name.indexOf(':') + 1).replace(/^"(.*)"$/, '$1'))
    .join(',');

/** As Go's url.QueryEscape does it. */
const escaped = (text: string): string =>
  encodeURIComponent(text)
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
