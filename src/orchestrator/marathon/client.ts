// HTTP to one Marathon: whole reads as JSON, in slices, and the stream of events. Says in one line what was wrong.

import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type * as Undici from 'undici';
import type { Dispatcher } from 'undici';
import { IsthmusError, messageOf, onDemand, type Clock } from '../../runtime/index.ts';
import { tlsFields, type Credentials, type SourceTls } from '../credentials.ts';
import { objectOf, textOf } from '../json.ts';
import { createSplitter, type Cut } from '../mesos/split.ts';
import { createSlices } from '../slices.ts';

export interface MarathonClient {
  /** A whole document, its cut elements handed on as they come. Rejects with an IsthmusError whose message is fit for a status page. */
  read(base: URL, path: string, cuts: readonly Cut[], signal: AbortSignal): Promise<unknown>;
  /** The body of `/v2/events`. Null where this Marathon, or a gateway before it, has none. */
  events(base: URL, signal: AbortSignal): Promise<Readable | null>;
  close(): Promise<void>;
}

export interface ClientOptions {
  readonly urls: readonly URL[];
  readonly credentials: Credentials;
  readonly tls: SourceTls | undefined;
  readonly connectMs: number;
  /** To the head of an answer, and between two pieces of its body. */
  readonly answerMs: number;
  readonly clock: Clock;
}

const undici = onDemand<typeof Undici>('undici');

const eventsPath = '/v2/events?plan-format=light';

export function createMarathonClient(options: ClientOptions): MarathonClient {
  const { Agent } = undici();
  const dispatcher = new Agent({
    connect: { timeout: options.connectMs, ...tlsFields(options.tls) },
    headersTimeout: options.answerMs,
    bodyTimeout: options.answerMs,
  });
  const ask = (url: URL, accept: string, signal: AbortSignal): Promise<Dispatcher.ResponseData> =>
    answerOf(url, accept, { ...options, dispatcher, signal });
  return {
    async read(base, path, cuts, signal) {
      const answer = await ask(under(base, path), 'application/json', signal);
      await checkJson(answer, base);
      return parseBody(answer, cuts, options.clock);
    },
    async events(base, signal) {
      const answer = await ask(under(base, eventsPath), 'text/event-stream', signal);
      const type = headerOf(answer, 'content-type');
      if (answer.statusCode === 200 && type.startsWith('text/event-stream')) return answer.body;
      await answer.body.dump();
      const isMissing = answer.statusCode === 404 || answer.statusCode === 405 || answer.statusCode === 406;
      if (isMissing || answer.statusCode === 200) return null;
      throw refusal(base, answer.statusCode);
    },
    close: () => dispatcher.destroy(),
  };
}

interface Asking extends ClientOptions {
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
}

/** Follows one redirect, and asks again once after 401 where there are new credentials. */
async function answerOf(url: URL, accept: string, asking: Asking): Promise<Dispatcher.ResponseData> {
  let answer = await once(url, accept, asking);
  if (answer.statusCode === 401 && (await asking.credentials.renew(asking.signal))) {
    await answer.body.dump();
    answer = await once(url, accept, asking);
  }
  const location = headerOf(answer, 'location');
  if (![301, 302, 307, 308].includes(answer.statusCode) || !URL.canParse(location, url)) return answer;
  await answer.body.dump();
  return once(new URL(location, url), accept, asking);
}

async function once(url: URL, accept: string, asking: Asking): Promise<Dispatcher.ResponseData> {
  // Behind a redirect may be anyone; credentials go to those who were named in the configuration.
  const isKnown = asking.urls.some((known) => known.host === url.host && known.protocol === url.protocol);
  const authorization = isKnown ? await asking.credentials.authorization(asking.signal) : null;
  const isStream = accept === 'text/event-stream';
  try {
    return await undici().request(url, {
      dispatcher: asking.dispatcher,
      signal: asking.signal,
      headers: { accept, ...(authorization === null ? {} : { authorization }) },
      ...(isStream ? { bodyTimeout: 0 } : {}),
    });
  } catch (error) {
    throw new IsthmusError('UPSTREAM_UNREACHABLE', `${url.host}: ${messageOf(error)}`, {
      side: 'upstream',
      retryable: true,
      cause: error,
    });
  }
}

async function checkJson(answer: Dispatcher.ResponseData, base: URL): Promise<void> {
  const type = headerOf(answer, 'content-type');
  if (answer.statusCode === 200 && type.startsWith('application/json')) return;
  await answer.body.dump();
  if (answer.statusCode !== 200) throw refusal(base, answer.statusCode);
  const reason = `${base.host} answers ${type === '' ? 'without a type' : type}, not JSON`;
  throw new IsthmusError('UPSTREAM_GARBAGE', reason, { side: 'upstream', retryable: true });
}

const reasons: Readonly<Record<number, string>> = {
  401: 'wants other credentials (401)',
  403: 'forbids it (403)',
  404: 'does not know the call (404)',
  502: 'knows no leader (502)',
  503: 'is too busy (503)',
};

function refusal(base: URL, status: number): IsthmusError {
  const code = status === 404 ? 'UPSTREAM_UNSUPPORTED' : 'UPSTREAM_REFUSED';
  return new IsthmusError(code, `${base.host} ${reasons[status] ?? `answers ${status}`}`, {
    side: 'upstream',
    retryable: true,
  });
}

async function parseBody(answer: Dispatcher.ResponseData, cuts: readonly Cut[], clock: Clock): Promise<unknown> {
  let problem: string | null = null;
  const splitter = createSplitter({ cuts, onBadElement: (path, reason) => (problem ??= `${path}: ${reason}`) });
  const slices = createSlices(clock);
  const body = headerOf(answer, 'content-encoding') === 'gzip' ? answer.body.pipe(createGunzip()) : answer.body;
  for await (const chunk of body) {
    splitter.push(chunk as Buffer);
    await slices.breathe();
  }
  const skeleton = splitter.end();
  if (problem !== null)
    throw new IsthmusError('UPSTREAM_GARBAGE', `not JSON: ${String(problem)}`, { side: 'upstream', retryable: true });
  return skeleton;
}

function headerOf(answer: Dispatcher.ResponseData, name: string): string {
  return textOf(objectOf(answer.headers)[name]) ?? '';
}

/** `path` (with its query) below the path of a Marathon that is reached through a gateway. */
function under(base: URL, path: string): URL {
  return new URL(`${base.origin}${base.pathname.replace(/\/+$/, '')}${path}`);
}
