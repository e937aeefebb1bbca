// What a route does to its requests and answers, compiled once when its `options:` record changes. A route without any has null, and its
// requests pay one comparison.

import type { Clock, Logger, Random } from '../../src/runtime/index.ts';
import type { FieldList, LocalAnswer, RequestView } from '../http1/index.ts';
import type { PasswordChecker } from '../passwords/index.ts';
import { hostGate, networkGate } from './allow-list.ts';
import type { Authenticator } from './authenticator.ts';
import { basicAuthenticator } from './basic-auth.ts';
import { digestAuthenticator } from './digest-auth.ts';
import { readErrorFile } from './error-pages.ts';
import { FaultSource, type FaultTools } from './faults.ts';
import { forwardAuthenticator } from './forward-auth.ts';
import { certificateLines, type CertificateLines } from './client-certificate.ts';
import { compileChanges, type CompiledChanges } from './header-changes.ts';
import { locationChanger, type ChangedFields } from './location-change.ts';
import type { Auth, ErrorPage, Hsts, OptionsEntry } from './options-record.ts';
import { pathChanger, type ChangedPath } from './path-changes.ts';
import { httpsRedirect, rootRedirect, urlRedirect } from './redirects.ts';
import { inFlightLimiter, rateLimiter, type InFlight } from './request-limits.ts';
import type { RequestFacts } from './request-facts.ts';
import { routerError } from './router-answers.ts';

/** An answer instead of forwarding; null: the request goes on. */
export type Judge = (facts: RequestFacts) => LocalAnswer | null;

export interface RequestPolicy {
  /** In their order, before anybody is asked for a password. */
  readonly before: readonly Judge[];
  readonly auth: Authenticator | null;
  /** Behind the password. */
  readonly after: readonly Judge[];
  readonly inFlight: InFlight | null;
  readonly path: ((request: RequestView) => ChangedPath) | null;
  /** The path goes on as the client sent it, unless something else is made of it. */
  readonly rawPath: boolean;
  /** What strangers say of the client goes on, ours behind it. */
  readonly appendsForwarded: boolean;
  readonly host: OptionsEntry['host'] | null;
  /** Of the client's certificate, for backends. */
  readonly certificate: CertificateLines | null;
  readonly requestHeaders: CompiledChanges | null;
  readonly responseHeaders: CompiledChanges | null;
  /** On every answer, local ones included. */
  readonly securityHeaders: CompiledChanges | null;
  readonly hsts: Hsts | null;
  readonly location: ((fields: FieldList) => ChangedFields | null) | null;
  readonly compress: boolean;
  /** Bodies may have so many bytes, Infinity: any; null: nothing is said. */
  readonly bodyLimits: { readonly requestBytes: number; readonly answerBytes: number } | null;
  readonly errorPages: readonly ErrorPage[];
  /** Bodies for errors of ours, by status. */
  readonly errorFiles: ReadonlyMap<number, { readonly contentType: string; readonly body: string }>;
  readonly faults: FaultSource | null;
  /** The policy of a request that was kept waiting on purpose: its answer says so. Null where none is. */
  readonly delayed: RequestPolicy | null;
}

export interface PolicyTools {
  readonly clock: Clock;
  readonly log: Logger;
  readonly passwords: PasswordChecker;
  /** Among how many workers limits are divided. */
  readonly workers: number;
  readonly random: Random;
  readonly countFault: FaultTools['countFault'];
}

/** Null where the record asks for nothing. What cannot be compiled lets nobody through, and is logged. */
export function compilePolicy(entry: OptionsEntry, tools: PolicyTools): RequestPolicy | null {
  const { kind, id, ...asked } = entry;
  if (Object.values(asked).every((value) => value === undefined)) return null;
  try {
    return compile(entry, tools);
  } catch (error) {
    tools.log.error({ [kind]: id, error: (error as Error).message }, 'bug: options of a route cannot be compiled');
    return { ...nothing, before: [(facts) => routerError(503, facts.requestId, facts.request.fields)] };
  }
}

const nothing: RequestPolicy = {
  before: [],
  auth: null,
  after: [],
  inFlight: null,
  path: null,
  rawPath: false,
  certificate: null,
  appendsForwarded: false,
  host: null,
  requestHeaders: null,
  responseHeaders: null,
  securityHeaders: null,
  hsts: null,
  location: null,
  compress: false,
  bodyLimits: null,
  errorPages: [],
  errorFiles: new Map(),
  faults: null,
  delayed: null,
};

function compile(entry: OptionsEntry, tools: PolicyTools): RequestPolicy {
  const { clock, workers } = tools;
  const { faults, ...rest } = entry;
  const policy: RequestPolicy = {
    before: judgesBefore(entry),
    auth: entry.auth === undefined ? null : authenticatorFor(entry.auth, tools),
    after: [
      ...(bodyLimitsOf(entry.buffering) === null ? [] : [sizeGate(entry.buffering?.requestBytes || Infinity)]),
      ...(entry.rateLimit === undefined ? [] : [rateJudge(rateLimiter(entry.rateLimit, workers, clock))]),
    ],
    inFlight: entry.inFlight === undefined ? null : inFlightLimiter(entry.inFlight, workers),
    path: entry.path === undefined || entry.path.length === 0 ? null : pathChanger(entry.path),
    rawPath: entry.rawPath === true,
    certificate: entry.clientCertificate === undefined ? null : certificateLines(entry.clientCertificate),
    appendsForwarded: entry.appendsForwarded === true,
    host: entry.host ?? null,
    requestHeaders: compileChanges(entry.requestHeaders),
    responseHeaders: compileChanges(entry.responseHeaders),
    securityHeaders: compileChanges(entry.securityHeaders),
    hsts: entry.hsts ?? null,
    location: entry.location === undefined ? null : locationChanger(entry.location),
    compress: entry.compress === true,
    bodyLimits: bodyLimitsOf(entry.buffering),
    errorPages: entry.errorPages ?? [],
    errorFiles: errorFilesOf(entry.errorFiles ?? {}),
    faults: null,
    delayed: null,
  };
  if (faults === undefined) return policy;
  const told = { change: 'set', name: 'X-Isthmus-Fault', value: 'delay' } as const;
  const delayed = compileChanges([...(rest.responseHeaders ?? []), told]);
  return { ...policy, faults: new FaultSource(faults, tools), delayed: { ...policy, responseHeaders: delayed } };
}

/** Redirects come first: credentials are never asked for in clear text where TLS is wanted. */
function judgesBefore(entry: OptionsEntry): readonly Judge[] {
  const judges: Judge[] = [];
  const { networks } = entry;
  if (networks?.first === true) judges.push(networkGate(networks));
  if (entry.redirectToHttps !== undefined) judges.push(httpsRedirect(entry.redirectToHttps));
  if (networks !== undefined && networks.first !== true) judges.push(networkGate(networks));
  if (entry.redirectUrl !== undefined) judges.push(urlRedirect(entry.redirectUrl));
  if (entry.allowedHosts !== undefined) judges.push(hostGate(entry.allowedHosts));
  if (entry.sslRedirect !== undefined) judges.push(httpsRedirect(entry.sslRedirect));
  if (entry.redirectRoot !== undefined) judges.push(rootRedirect(entry.redirectRoot));
  return judges;
}

function authenticatorFor(auth: Auth, { passwords, clock }: PolicyTools): Authenticator {
  switch (auth.kind) {
    case 'basic':
      return basicAuthenticator(auth, passwords, clock);
    case 'digest':
      return digestAuthenticator(auth, clock);
    case 'forward':
      return forwardAuthenticator(auth);
  }
}

/** Bodies are limited, and not held: a limit is met on the way where the length was not said. */
function bodyLimitsOf(buffering: OptionsEntry['buffering']): RequestPolicy['bodyLimits'] {
  const { requestBytes = 0, responseBytes = 0 } = buffering ?? {};
  if (requestBytes <= 0 && responseBytes <= 0) return null;
  return { requestBytes: requestBytes || Infinity, answerBytes: responseBytes || Infinity };
}

const sizeGate =
  (most: number): Judge =>
  ({ request, requestId }) =>
    request.contentLength > most ? routerError(413, requestId, request.fields) : null;

function rateJudge(rate: (facts: RequestFacts) => number): Judge {
  return (facts) => {
    const seconds = rate(facts);
    return seconds === 0 ? null : tooMany(facts, seconds);
  };
}

/** 429. */
export const tooMany = ({ requestId, request }: RequestFacts, seconds: number): LocalAnswer =>
  routerError(429, requestId, request.fields, [['Retry-After', String(seconds)]]);

function errorFilesOf(files: Readonly<Record<string, string>>): RequestPolicy['errorFiles'] {
  const found = new Map<number, { readonly contentType: string; readonly body: string }>();
  for (const [status, path] of Object.entries(files)) {
    const page = readErrorFile(path);
    if (page !== null) found.set(Number(status), page);
  }
  return found;
}

/** The Strict-Transport-Security field; RFC 6797 §7.2 wants it on TLS alone. */
export function hstsLine(hsts: Hsts, secure: boolean): string {
  if (!secure && !hsts.always) return '';
  const more = `${hsts.includeSubdomains ? '; includeSubDomains' : ''}${hsts.preload ? '; preload' : ''}`;
  return `Strict-Transport-Security: max-age=${hsts.maxAgeSeconds}${more}\r\n`;
}
