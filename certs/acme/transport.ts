// HTTP to one authority: its directory, nonces, signed requests, and answers turned into values or refusals (RFC 8555 §6, §7.1.1, §7.2).

import type * as Undici from 'undici';
import type { Dispatcher } from 'undici';
import { messageOf, onDemand, type Clock } from '../../src/runtime/index.ts';
import { signRequest, type AccountKey } from './jws.ts';
import { AcmeProblem, AuthorityDown, readProblem } from './problem.ts';

/** Trust and identity towards the authority. PEM. */
export interface AuthorityTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecure?: boolean;
}

export interface Directory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  /** Null: the authority does not speak ARI (RFC 9773). */
  readonly renewalInfo: string | null;
  readonly externalAccountRequired: boolean;
}

export interface Answer {
  readonly status: number;
  /** Parsed JSON, or the text. */
  readonly body: unknown;
  /** Absolute; '' where there is none. */
  readonly location: string;
  /** 0: it does not say. */
  readonly retryAfterMs: number;
}

export interface Signing {
  readonly key: AccountKey;
  /** The account's URL; null: the key is shown. */
  readonly kid: string | null;
}

/** Rejects with AcmeProblem or AuthorityDown, and with nothing else that is not a bug. */
export interface Transport {
  /** Kept for an hour. */
  directory(signal: AbortSignal): Promise<Directory>;
  get(url: string, signal: AbortSignal): Promise<Answer>;
  /** `payload` null: POST-as-GET. */
  post(url: string, payload: object | null, signing: Signing, signal: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
}

export interface TransportOptions {
  readonly directory: string;
  readonly tls?: AuthorityTls | undefined;
  readonly clock: Clock;
}

const undici = onDemand<typeof Undici>('undici');

const connectMs = 10_000;
const answerMs = 30_000;
const mostBytes = 1_048_576;
const directoryLifeMs = 3_600_000;
/** Each refusal brings a new nonce: an authority that turns down every other one (pebble can) is outlived. */
const mostNonces = 24;
const mostKeptNonces = 16;
const longestRetryAfterMs = 7 * 86_400_000;

export function createTransport({ directory: directoryUrl, tls, clock }: TransportOptions): Transport {
  const { insecure = false, ...trust } = tls ?? {};
  const { Agent } = undici();
  const dispatcher = new Agent({
    connect: { timeout: connectMs, ...trust, rejectUnauthorized: !insecure },
    headersTimeout: answerMs,
    bodyTimeout: answerMs,
    maxResponseSize: mostBytes,
    keepAliveTimeout: 4_000,
  });
  const nonces: string[] = [];
  let known: { readonly directory: Directory; readonly readAt: number } | null = null;

  const send = async (
    method: 'GET' | 'HEAD' | 'POST',
    url: string,
    body: string | null,
    signal: AbortSignal,
  ): Promise<Answer> => {
    const answer = await exchange(dispatcher, method, url, body, signal);
    const nonce = fieldOf(answer, 'replay-nonce');
    if (/^[\w-]{1,512}$/.test(nonce) && nonces.push(nonce) > mostKeptNonces) nonces.shift();
    return readAnswer(answer, url, clock);
  };

  const transport: Transport = {
    async directory(signal) {
      if (known !== null && clock.monotonic() - known.readAt < directoryLifeMs) return known.directory;
      const { body } = await transport.get(directoryUrl, signal);
      const directory = readDirectory(body, directoryUrl);
      known = { directory, readAt: clock.monotonic() };
      return directory;
    },
    get: (url, signal) => send('GET', url, null, signal),
    async post(url, payload, signing, signal) {
      for (let tries = 1; ; tries++) {
        if (nonces.length === 0) await send('HEAD', (await transport.directory(signal)).newNonce, null, signal);
        const nonce = nonces.pop();
        if (nonce === undefined) throw new AuthorityDown(`${new URL(url).host} gives no nonce`);
        try {
          return await send(
            'POST',
            url,
            JSON.stringify(signRequest(signing.key, { kid: signing.kid, nonce, url }, payload)),
            signal,
          );
        } catch (error) {
          const isStale = error instanceof AcmeProblem && error.problem.type === 'badNonce';
          if (!isStale || tries >= mostNonces) throw error;
        }
      }
    },
    close: () => dispatcher.destroy(),
  };
  return transport;
}

async function exchange(
  dispatcher: Dispatcher,
  method: 'GET' | 'HEAD' | 'POST',
  url: string,
  body: string | null,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  if (!URL.canParse(url)) throw new AuthorityDown('the authority names an address that is none');
  try {
    return await undici().request(url, {
      method,
      dispatcher,
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(connectMs + answerMs)]),
      headers: {
        'user-agent': 'isthmus',
        accept: 'application/json, application/pem-certificate-chain, application/problem+json',
        ...(body === null ? {} : { 'content-type': 'application/jose+json' }),
      },
    });
  } catch (error) {
    throw new AuthorityDown(`${new URL(url).host} cannot be reached: ${messageOf(error)}`, { cause: error });
  }
}

async function readAnswer(answer: Dispatcher.ResponseData, url: string, clock: Clock): Promise<Answer> {
  const { host } = new URL(url);
  const status = answer.statusCode;
  const retryAfterMs = retryAfterOf(fieldOf(answer, 'retry-after'), clock);
  let body: unknown;
  try {
    const text = await answer.body.text();
    body = /^application\/(problem\+)?json/.test(fieldOf(answer, 'content-type')) ? JSON.parse(text) : text;
  } catch (error) {
    throw new AuthorityDown(`${host} breaks off its answer: ${messageOf(error)}`, { cause: error });
  }
  const location = fieldOf(answer, 'location');
  if (status >= 200 && status < 300)
    return { status, body, location: URL.canParse(location, url) ? new URL(location, url).href : '', retryAfterMs };
  const isProblem = typeof body === 'object' && body !== null && 'type' in body;
  if (status < 500 && isProblem) throw new AcmeProblem(readProblem(body, status), retryAfterMs);
  const said = isProblem ? readProblem(body, status) : null;
  const why = said === null ? '' : `: ${said.type}: ${said.detail}`;
  throw new AuthorityDown(`${host} answers ${status}${why}`, { retryAfterMs });
}

function readDirectory(body: unknown, url: string): Directory {
  const { newNonce, newAccount, newOrder, renewalInfo, meta } = (
    typeof body === 'object' && body !== null ? body : {}
  ) as Record<string, unknown>;
  if (typeof newNonce !== 'string' || typeof newAccount !== 'string' || typeof newOrder !== 'string')
    throw new AuthorityDown(`${url} is no directory of ACME`);
  const required = (meta as { externalAccountRequired?: unknown } | undefined)?.externalAccountRequired === true;
  return {
    newNonce,
    newAccount,
    newOrder,
    renewalInfo: typeof renewalInfo === 'string' ? renewalInfo : null,
    externalAccountRequired: required,
  };
}

function retryAfterOf(value: string, clock: Clock): number {
  if (value === '') return 0;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - clock.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestRetryAfterMs) : 0;
}

function fieldOf(answer: Dispatcher.ResponseData, name: string): string {
  const value = answer.headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? '';
}
