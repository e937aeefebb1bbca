// One order from the first word to the certificate (RFC 8555 §7.4, §7.5): identifiers, proofs, the request, the chain.

import { X509Certificate } from 'node:crypto';
import type { ChallengeResponder } from '../../src/ports/index.ts';
import { messageOf, sleep, type Clock, type Logger } from '../../src/runtime/index.ts';
import { coversName, namesOf } from '../certificate-names.ts';
import { makeRequest } from '../x509/index.ts';
import type { Account } from './account.ts';
import { base64url } from './jws.ts';
import { AcmeProblem, AuthorityDown, readProblem } from './problem.ts';
import type { Answer, Transport } from './transport.ts';

export interface OrderOptions {
  readonly transport: Transport;
  readonly account: Account;
  readonly responder: ChallengeResponder;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface OrderForm {
  /** DNS names; `*.name` where the responder is one of dns-01. */
  readonly names: readonly string[];
  readonly keyType: 'ecdsa' | 'rsa';
  /** RFC 9773 §5: the certificate that this one comes after; null: none, or the authority does not speak of it. */
  readonly replaces: string | null;
}

export interface Issued {
  /** PEM, leaf first. */
  readonly chain: string;
  /** PEM. Never logged, never shown. */
  readonly key: string;
}

interface Challenge {
  readonly type: string;
  readonly url: string;
  readonly token: string;
  readonly error?: unknown;
}

interface Authorization {
  readonly status: string;
  readonly identifier: { readonly value: string };
  readonly challenges: readonly Challenge[];
}

interface Order {
  readonly status: string;
  readonly authorizations: readonly string[];
  readonly finalize: string;
  readonly certificate?: string;
  readonly error?: unknown;
}

const orderWithinMs = 300_000;
const firstPollMs = 250;
const mostPollMs = 5_000;
const longestPollMs = 60_000;

/** Rejects with AcmeProblem where the authority says no, AuthorityDown where it says nothing of use, or the responder's error. */
export async function orderCertificate(options: OrderOptions, form: OrderForm, signal: AbortSignal): Promise<Issued> {
  const late = new AbortController();
  const timer = options.clock.after(orderWithinMs, () => late.abort());
  try {
    return await carryThrough(options, form, AbortSignal.any([signal, late.signal]));
  } finally {
    timer.cancel();
  }
}

async function carryThrough(options: OrderOptions, form: OrderForm, signal: AbortSignal): Promise<Issued> {
  const { account } = options;
  const { url, order } = await placeOrder(options, form, signal);
  for (const authorization of order.authorizations) await authorize(options, authorization, signal);
  // A name that was authorized before makes an order ready at once; otherwise that may take the authority a moment.
  const ready = await poll(options, url, isPending, signal);
  const request = await makeRequest(form.names, form.keyType);
  if (ready.status === 'ready') await account.post(ready.finalize, { csr: base64url(request.der) }, signal);
  const done = await poll(options, url, isUnderWay, signal);
  if (done.status !== 'valid' || done.certificate === undefined) throw failed(done.error, `order is ${done.status}`);
  const { body } = await account.post(done.certificate, null, signal);
  return checked({ chain: String(body), key: request.key }, form.names);
}

async function placeOrder(
  { transport, account }: OrderOptions,
  { names, replaces }: OrderForm,
  signal: AbortSignal,
): Promise<{ readonly url: string; readonly order: Order }> {
  const { newOrder } = await transport.directory(signal);
  const payload = { identifiers: names.map((value) => ({ type: 'dns', value })) };
  const place = async (more: object): Promise<Answer> => account.post(newOrder, { ...payload, ...more }, signal);
  const answer = await (replaces === null ? place({}) : placeReplacing(place, replaces));
  const order = orderOf(answer);
  if (answer.location === '') throw new AuthorityDown('the authority does not say where the order is');
  return { url: answer.location, order };
}

/** A predecessor that the authority will not hear of keeps nobody from a new certificate. */
async function placeReplacing(place: (more: object) => Promise<Answer>, replaces: string): Promise<Answer> {
  try {
    return await place({ replaces });
  } catch (error) {
    if (!(error instanceof AcmeProblem) || error.problem.type === 'rateLimited') throw error;
    return place({});
  }
}

async function authorize(options: OrderOptions, url: string, signal: AbortSignal): Promise<void> {
  const { account, responder } = options;
  const authorization = authorizationOf(await account.post(url, null, signal));
  if (authorization.status === 'valid') return;
  const challenge = authorization.challenges.find(({ type }) => type === responder.type);
  if (challenge === undefined) {
    const offered = authorization.challenges.map(({ type }) => type).join(', ');
    throw failed(null, `${authorization.identifier.value}: the authority offers ${offered}, and not ${responder.type}`);
  }
  const host = authorization.identifier.value;
  const { token } = challenge;
  if (!/^[\w-]{1,512}$/.test(token)) throw new AuthorityDown('the authority gives a token that is none');
  try {
    await responder.present(host, token, `${token}.${account.key.thumbprint}`);
    await account.post(challenge.url, {}, signal);
    await pollAuthorization(options, url, signal);
  } finally {
    // What stays behind is of no use to anybody, and no reason to do without the certificate.
    await responder.withdraw(host, token).catch((error: unknown) => {
      options.log.warn(
        { host, error: messageOf(error) },
        'a proof for a certificate authority cannot be taken away again',
      );
    });
  }
}

async function pollAuthorization(options: OrderOptions, url: string, signal: AbortSignal): Promise<void> {
  const { account, responder } = options;
  for (let waitMs = firstPollMs; ; waitMs = Math.min(waitMs * 2, mostPollMs)) {
    await pause(options, waitMs, signal);
    const answer = await account.post(url, null, signal);
    const { status, challenges, identifier } = authorizationOf(answer);
    if (status === 'valid') return;
    if (status !== 'pending') {
      const tried = challenges.find(({ type }) => type === responder.type);
      throw failed(tried?.error, `${identifier.value}: the authorization is ${status}`);
    }
    if (answer.retryAfterMs > waitMs) await pause(options, answer.retryAfterMs - waitMs, signal);
  }
}

/** Asks for the order while `mayChange`, at the pace that the authority gives. */
async function poll(
  options: OrderOptions,
  url: string,
  mayChange: (order: Order) => boolean,
  signal: AbortSignal,
): Promise<Order> {
  for (let waitMs = firstPollMs; ; waitMs = Math.min(waitMs * 2, mostPollMs)) {
    const answer = await options.account.post(url, null, signal);
    const order = orderOf(answer);
    if (!mayChange(order)) return order;
    await pause(options, answer.retryAfterMs > 0 ? answer.retryAfterMs : waitMs, signal);
  }
}

const isPending = ({ status }: Order): boolean => status === 'pending';
const isUnderWay = ({ status }: Order): boolean =>
  status === 'processing' || status === 'ready' || status === 'pending';

async function pause({ clock }: OrderOptions, ms: number, signal: AbortSignal): Promise<void> {
  await sleep(clock, Math.min(ms, longestPollMs), signal);
  if (signal.aborted) throw failed(null, 'it was not done in time');
}

/** What was handed out must be what was asked for: a certificate of another key would break the name. */
function checked(issued: Issued, names: readonly string[]): Issued {
  try {
    const leaf = new X509Certificate(issued.chain);
    const has = namesOf(leaf).names;
    if (names.every((name) => has.includes(name) || coversName(has, name))) return issued;
  } catch {
    throw new AuthorityDown('the authority hands out what is no certificate');
  }
  throw new AuthorityDown('the authority hands out a certificate for other names');
}

function failed(problem: unknown, otherwise: string): AcmeProblem {
  return problem === null || problem === undefined
    ? new AcmeProblem({ type: '', detail: otherwise, status: 0 }, 0)
    : new AcmeProblem(readProblem(problem, 0), 0);
}

function orderOf({ body }: Answer): Order {
  const order = body as Partial<Order> | null;
  if (typeof order?.status !== 'string' || !isTexts(order.authorizations) || typeof order.finalize !== 'string')
    throw new AuthorityDown('the authority answers with what is no order');
  return order as Order;
}

function authorizationOf({ body }: Answer): Authorization {
  const authorization = body as Partial<Authorization> | null;
  const isWhole =
    typeof authorization?.status === 'string' &&
    typeof authorization.identifier?.value === 'string' &&
    Array.isArray(authorization.challenges) &&
    (authorization.challenges as Partial<Challenge>[]).every(isChallenge);
  if (!isWhole) throw new AuthorityDown('the authority answers with what is no authorization');
  return authorization as Authorization;
}

const isChallenge = ({ url, type }: Partial<Challenge>): boolean => typeof url === 'string' && typeof type === 'string';

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');
