// What an authority says when it refuses (RFC 7807, RFC 8555 §6.7), and what is wrong when it cannot be asked at all.

import { IsthmusError } from '../../src/runtime/index.ts';

export interface ProblemDocument {
  /** Without its prefix where it is one of ACME's: `rateLimited`. */
  readonly type: string;
  readonly detail: string;
  readonly status: number;
}

/** A refusal. Its message has type and detail, fit for a log. */
export class AcmeProblem extends IsthmusError {
  readonly problem: ProblemDocument;
  /** What Retry-After asked for; 0: nothing. */
  readonly retryAfterMs: number;

  constructor(problem: ProblemDocument, retryAfterMs: number) {
    super('ACME_PROBLEM', [problem.type, problem.detail].filter((part) => part !== '').join(': '), {
      side: 'upstream',
      retryable: true,
    });
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The authority itself cannot be used now: it does not answer, or answers what nobody understands. No order's fault. */
export class AuthorityDown extends IsthmusError {
  readonly retryAfterMs: number;

  constructor(message: string, options: { readonly retryAfterMs?: number; readonly cause?: unknown } = {}) {
    super('ACME_UNREACHABLE', message, { side: 'upstream', retryable: true, cause: options.cause });
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

const prefix = 'urn:ietf:params:acme:error:';
const longestDetail = 400;
/** For labels of metrics: an authority cannot invent more. */
const knownTypes: ReadonlySet<string> = new Set(
  (
    'accountDoesNotExist alreadyReplaced badCSR badNonce badPublicKey badSignatureAlgorithm caa connection dns externalAccountRequired ' +
    'incorrectResponse invalidContact malformed orderNotReady rateLimited rejectedIdentifier serverInternal tls unauthorized ' +
    'unsupportedContact unsupportedIdentifier userActionRequired'
  ).split(' '),
);

/** A problem document as text for people: of a compound one the parts too. Anything else gives its status. */
export function readProblem(body: unknown, status: number): ProblemDocument {
  const { type, detail, subproblems } = (typeof body === 'object' && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  const parts = (Array.isArray(subproblems) ? (subproblems as unknown[]) : []).slice(0, 5).map((part) => {
    const { problem, name } = { problem: readProblem(part, status), name: identifierOf(part) };
    return `${name}${name === '' ? '' : ': '}${problem.type}: ${problem.detail}`;
  });
  const own = typeof detail === 'string' ? detail : '';
  const text = [own === '' && parts.length === 0 ? `status ${status}` : own, ...parts]
    .filter((part) => part !== '')
    .join('; ');
  return { type: shortType(type), detail: plainText(text), status };
}

export const metricType = (type: string): string => (knownTypes.has(type) ? type : 'other');

/** What a person can do about a refusal, in a line. */
export function hintFor({ type }: ProblemDocument): string {
  return hints[type] ?? 'see what the authority says; it is asked again later';
}

const hints: Readonly<Record<string, string>> = {
  caa: 'let the CAA record of the name allow this authority',
  connection: 'let the authority reach this machine: port 80 for http-01, 443 for tls-alpn-01',
  dns: "correct the name's DNS records, as the world sees them",
  externalAccountRequired: 'give eab: { kid, key } from the authority',
  incorrectResponse: 'let requests for the name end at this daemon, and at no other',
  rateLimited: 'wait; its limits are per week for most authorities',
  rejectedIdentifier: 'leave the name out of domains: this authority will not issue for it',
  tls: 'let TLS connections for the name end at this daemon, on port 443',
  unauthorized: 'let requests for the name end at this daemon, and at no other',
  userActionRequired: "agree to the authority's new terms",
};

function shortType(type: unknown): string {
  if (typeof type !== 'string' || type === 'about:blank') return '';
  return plainText(type.startsWith(prefix) ? type.slice(prefix.length) : type);
}

function identifierOf(part: unknown): string {
  const { identifier } = (typeof part === 'object' && part !== null ? part : {}) as {
    identifier?: { value?: unknown };
  };
  return typeof identifier?.value === 'string' ? plainText(identifier.value) : '';
}

/** One line of bounded length, whatever somebody else wrote. */
const plainText = (text: string): string =>
  text
    .replace(/[^\x20-\x7e\xa0-\uffff]+/g, ' ')
    .trim()
    .slice(0, longestDetail);
