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
import type { LabelRules } from './label-rules.ts';
import { safeRegex } from './safe-regex.ts';
import { authOf } from './traefik-auth.ts';
import { requestKey } from './traefik-backend.ts';
import type { TraefikLabels } from './traefik-labels.ts';
import { securityOf } from './traefik-security.ts';

/** `changes`: what the rule does to the path. `setOf`: the set of a backend that a label names. */
export function traefikOptions(
  id: string,
  labels: TraefikLabels,
  rules: Pick<LabelRules, 'httpsPort'>,
  changes: readonly PathChange[],
  setOf: (backend: string) => string,
): OptionsEntry {
  const parts = {
    auth: authOf(labels),
    networks: networksOf(labels),
    redirectToHttps: redirectOf(labels, rules.httpsPort),
    sslRedirect: sslRedirectOf(labels, rules.httpsPort),
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

function redirectOf(labels: TraefikLabels, httpsPort: number | null): HttpsRedirect | null {
  const entryPoint = labels.text('frontend.redirect.entryPoint');
  if (entryPoint === null) return null;
  if (entryPoint !== 'https' && entryPoint !== 'http') {
    labels.warn('frontend.redirect.entryPoint', `there is no entry point ${entryPoint}`, 'https or http');
    return null;
  }
  const permanent = labels.flag('frontend.redirect.permanent', false);
  const codes = { code: permanent ? 301 : 302, otherCode: permanent ? 308 : 307 };
  return entryPoint === 'http' ? { scheme: 'http', ...codes, port: null } : { ...codes, port: httpsPort };
}

function sslRedirectOf(labels: TraefikLabels, httpsPort: number | null): HttpsRedirect | null {
  const scope = 'frontend.headers';
  const host = labels.text(`${scope}.SSLHost`) ?? '';
  const forcesHost = labels.flag(`${scope}.SSLForceHost`, false) && host !== '';
  if (!labels.flag(`${scope}.SSLRedirect`, false) && !forcesHost) return null;
  const isTemporary = labels.flag(`${scope}.SSLTemporaryRedirect`, false);
  const said = labels.pairs(`${scope}.SSLProxyHeaders`);
  return {
    code: isTemporary ? 302 : 301,
    otherCode: isTemporary ? 307 : 308,
    port: httpsPort,
    ...(host === '' ? {} : { host }),
    ...(forcesHost ? { forcesHost } : {}),
    ...(said.length === 0 ? {} : { secureIf: said }),
  };
}

function urlRedirectOf(labels: TraefikLabels): UrlRedirect | null {
  const source = labels.text('frontend.redirect.regex');
  const replacement = labels.text('frontend.redirect.replacement');
  if (source === null || replacement === null || labels.text('frontend.redirect.entryPoint') !== null) {
    const [has, lacks] = source === null ? ['replacement', 'regex'] : ['regex', 'replacement'];
    if ((source === null) !== (replacement === null))
      labels.warn(
        `frontend.redirect.${has}`,
        `has no effect without ${lacks}`,
        `set traefik.frontend.redirect.${lacks}`,
      );
    return null;
  }
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
      if (from !== undefined) return [[Number(from), Number(to ?? from)] as const];
      labels.warn(
        `${scope}.status`,
        `"${item}" is no status`,
        'statuses and ranges between commas, such as 404,500-599',
      );
      return [];
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
    if (periodMs <= 0 || average <= 0) {
      const lacks = periodMs <= 0 ? 'period' : 'average';
      labels.warn(
        `${scope}.${lacks}`,
        'is missing or not above 0, so the rate does not hold',
        'such as period 10s, average 100',
      );
      return [];
    }
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
  const name = 'backend.maxconn.extractorfunc';
  const key = requestKey(labels.text(name) ?? 'request.host');
  if (key === null)
    labels.warn(name, 'is no key, so it is request.host', 'request.host, client.ip or request.header.NAME');
  return { amount, key: key ?? { by: 'host' } };
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
