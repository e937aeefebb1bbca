// What a Traefik frontend does with requests and answers, by labels `traefik.frontend.*` and the limits of its backend (specs/l7.md §2.2).

import { compileCidrs } from '../../../src/runtime/index.ts';
import type {
  AllowedNetworks,
  Buffering,
  ClientCertificateFields,
  ErrorPage,
  HeaderChange,
  HttpsRedirect,
  OptionsEntry,
  PathChange,
  RateLimit,
  UrlRedirect,
} from '../options-record.ts';
import { safeRegex } from './safe-regex.ts';
import { authOf } from './traefik-auth.ts';
import { requestKey } from './traefik-backend.ts';
import type { TraefikLabels } from './traefik-labels.ts';
import { securityOf } from './traefik-security.ts';

/** `changes`: what the rule does to the path. `setOf`: the set of a backend that a label names. */
export function traefikOptions(
  id: string,
  labels: TraefikLabels,
  changes: readonly PathChange[],
  setOf: (backend: string) => string,
): OptionsEntry {
  const parts = {
    auth: authOf(labels),
    networks: networksOf(labels),
    redirectToHttps: redirectOf(labels),
    redirectUrl: urlRedirectOf(labels),
    requestHeaders: headersOf(labels, 'customRequestHeaders'),
    responseHeaders: headersOf(labels, 'customResponseHeaders'),
    path: changes.length === 0 ? null : changes,
    host: labels.flag('frontend.passHostHeader', true) ? null : ('server' as const),
    errorPages: errorPagesOf(labels, setOf),
    rateLimit: rateLimitOf(labels),
    inFlight: inFlightOf(labels),
    buffering: bufferingOf(labels),
    clientCertificate: certificateOf(labels),
    ...securityOf(labels),
  };
  const said = Object.entries(parts).filter(([, part]) => part !== null);
  return Object.freeze({ kind: 'options', id, ...(Object.fromEntries(said) as Partial<OptionsEntry>) });
}

function networksOf(labels: TraefikLabels): AllowedNetworks | null {
  const name =
    labels.text('frontend.whiteList.sourceRange') === null ? 'whitelistSourceRange' : 'whiteList.sourceRange';
  const items = labels.list(`frontend.${name}`);
  if (items.length === 0) return null;
  for (const problem of compileCidrs(items).problems)
    labels.reader.report(labels.key(`frontend.${name}`), 'error', problem, 'addresses and CIDRs between commas');
  const allowed = items.filter((item) => compileCidrs([item]).problems.length === 0);
  const useForwardedFor = labels.flag('frontend.whiteList.useXForwardedFor', false);
  return { allowed, first: true, ...(useForwardedFor ? { useForwardedFor } : {}) };
}

function redirectOf(labels: TraefikLabels): HttpsRedirect | null {
  const entryPoint = labels.text('frontend.redirect.entryPoint');
  const permanent = labels.flag('frontend.redirect.permanent', false);
  const isKnown = entryPoint === 'https' || entryPoint === 'http';
  if (entryPoint !== null && !isKnown)
    labels.warn('frontend.redirect.entryPoint', `there is no entry point ${entryPoint}`, 'https or http');
  if (isKnown) {
    const codes = { code: permanent ? 301 : 302, otherCode: permanent ? 308 : 307, port: null };
    return entryPoint === 'http' ? { scheme: 'http', ...codes } : codes;
  }
  if (!labels.flag('frontend.headers.SSLRedirect', false)) return null;
  const isTemporary = labels.flag('frontend.headers.SSLTemporaryRedirect', false);
  const host = labels.text('frontend.headers.SSLHost');
  return {
    code: isTemporary ? 302 : 301,
    otherCode: isTemporary ? 307 : 308,
    port: null,
    ...(host === null || host === '' ? {} : { host }),
  };
}

function urlRedirectOf(labels: TraefikLabels): UrlRedirect | null {
  const source = labels.text('frontend.redirect.regex');
  const replacement = labels.text('frontend.redirect.replacement');
  if (source === null || replacement === null || labels.text('frontend.redirect.entryPoint') !== null) return null;
  const regex = safeRegex(source);
  if (regex === null) {
    labels.warn('frontend.redirect.regex', 'is no expression that can be used', 'one without nested repetition');
    return null;
  }
  return { regex, replacement, permanent: labels.flag('frontend.redirect.permanent', false) };
}

function headersOf(labels: TraefikLabels, name: string): readonly HeaderChange[] | null {
  const changes = labels
    .pairs(`frontend.headers.${name}`)
    .map(([field, value]): HeaderChange => ({ change: value === '' ? 'delete' : 'set', name: field, value }));
  return changes.length === 0 ? null : changes;
}

function errorPagesOf(labels: TraefikLabels, setOf: (backend: string) => string): readonly ErrorPage[] | null {
  const pages = labels.names('frontend.errors').flatMap((name): ErrorPage[] => {
    const scope = `frontend.errors.${name}`;
    const statuses = labels.list(`${scope}.status`).flatMap((item) => {
      const [, from, to] = /^(\d{3})(?:-(\d{3}))?$/.exec(item) ?? [];
      return from === undefined ? [] : [[Number(from), Number(to ?? from)] as const];
    });
    const backend = labels.text(`${scope}.backend`);
    if (backend !== null && statuses.length > 0)
      return [{ statuses, set: setOf(backend), query: labels.text(`${scope}.query`) ?? '/' }];
    labels.warn(`${scope}.status`, 'needs a status and a backend', '500-599 and the name of a backend');
    return [];
  });
  return pages.length === 0 ? null : pages;
}

function rateLimitOf(labels: TraefikLabels): RateLimit | null {
  const rates = labels.names('frontend.rateLimit.rateSet').flatMap((name) => {
    const scope = `frontend.rateLimit.rateSet.${name}`;
    const periodMs = labels.durationMs(`${scope}.period`, 0);
    const average = labels.integer(`${scope}.average`, 0);
    if (periodMs <= 0 || average <= 0) return [];
    return [{ periodMs, average, burst: Math.max(1, labels.integer(`${scope}.burst`, average)) }];
  });
  const key = requestKey(labels.text('frontend.rateLimit.extractorFunc') ?? 'request.host');
  if (rates.length === 0) return null;
  if (key !== null) return { key, rates };
  labels.warn('frontend.rateLimit.extractorFunc', 'is no key', 'request.host, client.ip or request.header.NAME');
  return { key: { by: 'client' }, rates };
}

function inFlightOf(labels: TraefikLabels): OptionsEntry['inFlight'] | null {
  const amount = labels.integer('backend.maxconn.amount', 0);
  if (amount <= 0) return null;
  return { amount, key: requestKey(labels.text('backend.maxconn.extractorfunc') ?? 'request.host') ?? { by: 'host' } };
}

const mebibyte = 1_048_576;

function bufferingOf(labels: TraefikLabels): Buffering | null {
  if (labels.names('backend.buffering').length === 0) return null;
  const number = (name: string, otherwise: number): number => labels.integer(`backend.buffering.${name}`, otherwise);
  return {
    requestBytes: number('maxRequestBodyBytes', 0),
    requestMemoryBytes: number('memRequestBodyBytes', mebibyte),
    responseBytes: number('maxResponseBodyBytes', 0),
    responseMemoryBytes: number('memResponseBodyBytes', mebibyte),
  };
}

const subjectFacts = [
  'commonName',
  'country',
  'domainComponent',
  'locality',
  'organization',
  'province',
  'serialNumber',
] as const;

function certificateOf(labels: TraefikLabels): ClientCertificateFields | null {
  const scope = 'frontend.passTLSClientCert';
  const pem = labels.flag(`${scope}.pem`, false) || labels.flag('frontend.passTLSCert', false);
  const names = [
    ...subjectFacts.map((fact) => `subject.${fact}`),
    ...subjectFacts.map((fact) => `issuer.${fact}`),
    'notBefore',
    'notAfter',
    'sans',
  ];
  const facts = names.filter((name) => labels.flag(`${scope}.infos.${name}`, false));
  return pem || facts.length > 0 ? { pem, facts } : null;
}
