// An attempt on one master: asks it, follows its redirects by hand, and says what came of it (specs/orchestrator.md §1.1, §1.2).

import type { IncomingMessage } from 'node:http';
import { messageOf, type Clock } from '../../runtime/index.ts';
import type { Credentials, TlsFields } from '../credentials.ts';
import { isReadable } from './body.ts';
import { open, type Call } from './call.ts';

/** no-leader: nobody leads just now. unsupported: no such call. denied: 401 or 403. garbage: not a master. same: another attempt is there. */
export type Refusal = 'no-leader' | 'unsupported' | 'denied' | 'unreachable' | 'garbage' | 'same';

export type Outcome =
  | { readonly kind: 'open'; readonly response: IncomingMessage; readonly url: URL }
  | { readonly kind: 'refused'; readonly why: Refusal; readonly reason: string };

export interface AttemptOptions {
  readonly masters: readonly URL[];
  readonly credentials: Credentials;
  readonly tls: TlsFields;
  readonly clock: Clock;
  readonly connectMs: number;
  readonly firstByteMs: number;
  /** How a call is made; default: over HTTP. */
  readonly open?: ((call: Call) => Promise<IncomingMessage>) | undefined;
}

export interface Question {
  readonly method: 'GET' | 'POST';
  /** Below the master's own path, such as `/api/v1`. */
  readonly path: string;
  readonly body: string | null;
}

const mostHops = 3;

/**
 * Asks `master`, then whoever it names as leader. `claim` is asked before each hop; false means that somebody else asks there already.
 * Never rejects. An answer of 200 is only opened where it says that it is JSON.
 */
export async function attempt(
  master: URL,
  question: Question,
  options: AttemptOptions,
  signal: AbortSignal,
  claim: (target: URL) => boolean = () => true,
): Promise<Outcome> {
  let url = below(master, question.path);
  const seen = new Set<string>();
  for (let hop = 0; hop <= mostHops; hop++) {
    if (seen.has(url.href)) return refused('no-leader', `${master.host} redirects in a circle`);
    seen.add(url.href);
    if (!claim(url)) return refused('same', `${url.host} is asked already`);
    const response = await answerOf(url, question, options, signal);
    if ('kind' in response) return response;
    if (response.statusCode !== 307 && response.statusCode !== 302) return judged(response, url);
    response.destroy();
    const target = redirected(url, response.headers.location);
    if (target === null) return refused('garbage', `${url.host} redirects to nowhere`);
    url = target;
  }
  return refused('no-leader', `${master.host} redirects more than ${mostHops} times`);
}

async function answerOf(
  url: URL,
  question: Question,
  options: AttemptOptions,
  signal: AbortSignal,
): Promise<IncomingMessage | Outcome> {
  const ask = options.open ?? open;
  try {
    const response = await ask(await callOf(url, question, options, signal));
    if (response.statusCode !== 401 || !(await options.credentials.renew(signal))) return response;
    response.destroy();
    return await ask(await callOf(url, question, options, signal));
  } catch (error) {
    return refused('unreachable', `${url.host}: ${messageOf(error)}`);
  }
}

async function callOf(url: URL, question: Question, options: AttemptOptions, signal: AbortSignal): Promise<Call> {
  // A redirect may point anywhere; credentials go to those who were named in the configuration.
  const isKnown = options.masters.some((master) => master.host === url.host && master.protocol === url.protocol);
  const authorization = isKnown ? await options.credentials.authorization(signal) : null;
  const { tls, clock, connectMs, firstByteMs } = options;
  return {
    method: question.method,
    url,
    body: question.body,
    authorization,
    tls,
    clock,
    connectMs,
    firstByteMs,
    signal,
  };
}

function judged(response: IncomingMessage, url: URL): Outcome {
  const status = response.statusCode ?? 0;
  const type = response.headers['content-type'] ?? '';
  if (status === 200 && type.startsWith('application/json') && isReadable(response))
    return { kind: 'open', response, url };
  response.destroy();
  if (!isReadable(response)) return refused('garbage', `${url.host} answers in a coding that nobody asked for`);
  if (status === 200)
    return refused('garbage', `${url.host} answers ${type === '' ? 'without a type' : type}, not JSON`);
  if (status === 401) return refused('denied', `${url.host} wants other credentials (401)`);
  if (status === 403) return refused('denied', `${url.host} forbids it (403)`);
  if (status === 404 || status === 405 || status === 501)
    return refused('unsupported', `${url.host} does not know the call (${status})`);
  if (status === 503) return refused('no-leader', `${url.host} knows no leader (503)`);
  return refused('garbage', `${url.host} answers ${status}`);
}

const refused = (why: Refusal, reason: string): Outcome => ({ kind: 'refused', why, reason });

/** `path` below the path of a master that is reached through a gateway. */
export function below(master: URL, path: string): URL {
  const url = new URL(master.href);
  url.username = '';
  url.password = '';
  url.pathname = `${master.pathname.replace(/\/+$/, '')}${path}`;
  url.search = '';
  return url;
}

/** Masters write `//host:port/path`; another scheme than the one in use is not followed. */
function redirected(from: URL, location: string | undefined): URL | null {
  if (location === undefined || !URL.canParse(location, from)) return null;
  const target = new URL(location, from);
  if (target.protocol !== from.protocol) return null;
  if (target.pathname === '/') target.pathname = from.pathname;
  return target;
}
