// An authority for tests (RFC 8555, RFC 9773): verifies each signature, nonce, binding and request, and does wrong only where a test says so.

import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  randomBytes,
  verify,
  X509Certificate,
} from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { makeCertificate, signCertificate, type Signer } from '../../../certs/index.ts';
import type { Clock } from '../../../src/runtime/index.ts';
import { readRequest } from './read-request.ts';

export interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly detail: string;
  readonly retryAfter?: string;
}

export interface FakeAuthority {
  readonly url: string;
  /** PEM. */
  readonly root: string;
  /** As they came, with what they said they replace. */
  readonly orders: { readonly name: string; readonly replaces: string | null }[];
  readonly accounts: { contact: readonly string[] }[];
  requests: number;
  /** Connections are cut. */
  isDown: boolean;
  /** That many good nonces are refused. */
  refusedNonces: number;
  /** Answers the next orders for a name instead of an order. */
  readonly refusals: Map<string, Refusal>;
  /** RFC 9773; null: the authority does not speak it. */
  advice: ((id: string) => { readonly start: number; readonly end: number; readonly retryAfter: number }) | null;
  forgetAccounts(): void;
  close(): Promise<void>;
}

export interface FakeAuthorityOptions {
  readonly clock: Clock;
  readonly lifeMs: number;
  /** What stands where the proof should be. */
  readonly look: (type: string, host: string, token: string) => string | null;
  readonly binding?: { readonly kid: string; readonly key: string };
}

interface Held {
  readonly name: string;
  readonly thumbprint: string;
  status: string;
  proof: string;
  error: object | null;
  certificate: string;
}

interface Jwk {
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y: string;
}

interface Signed {
  readonly jwk: Jwk;
  readonly account: number | null;
  readonly payload: Record<string, unknown> | null;
}

const prefix = 'urn:ietf:params:acme:error:';
const dayMs = 86_400_000;

export async function startFakeAuthority(options: FakeAuthorityOptions): Promise<FakeAuthority> {
  const { clock, lifeMs, look, binding } = options;
  const signer = authoritySigner(clock);
  const nonces = new Set<string>();
  const keys: (Jwk | null)[] = [];
  const held: Held[] = [];
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing));
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    if (fake.isDown) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    fake.requests++;
    if (fake.isDown) {
      incoming.socket.destroy();
      return;
    }
    const nonce = randomBytes(12).toString('base64url');
    nonces.add(nonce);
    outgoing.setHeader('replay-nonce', nonce);
    try {
      const parts: Buffer[] = [];
      for await (const part of incoming) parts.push(part as Buffer);
      const path = incoming.url ?? '';
      const reply = incoming.method === 'POST' ? post(path, opened(path, Buffer.concat(parts).toString())) : read(path);
      if (reply.location !== undefined) outgoing.setHeader('location', reply.location);
      if (reply.retryAfter !== undefined) outgoing.setHeader('retry-after', reply.retryAfter);
      outgoing.setHeader(
        'content-type',
        typeof reply.body === 'string' ? 'application/pem-certificate-chain' : 'application/json',
      );
      outgoing.statusCode = reply.status ?? 200;
      outgoing.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body));
    } catch (error) {
      const refusal =
        error instanceof Refused ? error.refusal : { status: 500, type: 'serverInternal', detail: String(error) };
      if (refusal.retryAfter !== undefined) outgoing.setHeader('retry-after', refusal.retryAfter);
      outgoing.setHeader('content-type', 'application/problem+json');
      outgoing.statusCode = refusal.status;
      outgoing.end(JSON.stringify({ type: prefix + refusal.type, detail: refusal.detail }));
    }
  };

  const read = (path: string): Reply => {
    if (path === '/nonce') return { body: {} };
    if (path.startsWith('/renewal/') && fake.advice !== null) {
      const { start, end, retryAfter } = fake.advice(path.slice('/renewal/'.length));
      const window = { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
      return { body: { suggestedWindow: window }, retryAfter: String(retryAfter) };
    }
    const links = { newNonce: `${base}/nonce`, newAccount: `${base}/account`, newOrder: `${base}/order` };
    const more = fake.advice === null ? {} : { renewalInfo: `${base}/renewal` };
    return { body: { ...links, ...more, meta: { externalAccountRequired: binding !== undefined } } };
  };

  /** The request within the envelope, which is right in every respect. */
  const opened = (path: string, text: string): Signed => {
    const {
      protected: head,
      payload,
      signature,
    } = JSON.parse(text) as Record<'protected' | 'payload' | 'signature', string>;
    const { alg, nonce, url, jwk, kid } = decoded(head) as Record<'alg' | 'nonce' | 'url' | 'kid', string> & {
      jwk?: Jwk;
    };
    if (alg !== 'ES256' || url !== `${base}${path}`) refuse(400, 'malformed', 'algorithm or url');
    if ((jwk === undefined) === (kid === undefined)) refuse(400, 'malformed', 'either jwk or kid');
    if (!nonces.delete(nonce) || fake.refusedNonces-- > 0) refuse(400, 'badNonce', 'try another');
    const account = kid === undefined ? null : Number(kid.slice(`${base}/account/`.length));
    const key = jwk ?? keys[account ?? -1] ?? refuse(400, 'accountDoesNotExist', 'nobody of that name');
    const publicKey = createPublicKey({ key: { ...key }, format: 'jwk' });
    const bytes = Buffer.from(signature, 'base64url');
    const isRight = verify(
      'sha256',
      Buffer.from(`${head}.${payload}`),
      { key: publicKey, dsaEncoding: 'ieee-p1363' },
      bytes,
    );
    if (!isRight) refuse(401, 'unauthorized', 'signature');
    return { jwk: key, account, payload: payload === '' ? null : decoded(payload) };
  };

  const post = (path: string, { jwk, account, payload }: Signed): Reply => {
    const [, kind = '', number = ''] = path.split('/');
    if (kind === 'account') return accountReply(jwk, account, payload ?? {});
    if (account === null) refuse(400, 'malformed', 'accounts sign by kid');
    if (kind === 'order' && number === '') return newOrder(payload ?? {}, thumbprintOf(jwk));
    const one = held[Number(number)] ?? refuse(404, 'malformed', 'no such thing');
    if (one.thumbprint !== thumbprintOf(jwk)) refuse(403, 'unauthorized', "another account's");
    switch (kind) {
      case 'authorization':
        return { body: authorizationOf(one, number) };
      case 'challenge':
        if (payload === null || Object.keys(payload).length > 0)
          refuse(400, 'malformed', 'a challenge is answered by {}');
        prove(one);
        return { body: {} };
      case 'finalize':
        finalize(one, String(payload?.['csr']));
        return { body: orderOf(one, number) };
      case 'certificate':
        return { body: one.certificate };
    }
    return { body: orderOf(one, number) };
  };

  const accountReply = (jwk: Jwk, account: number | null, payload: Record<string, unknown>): Reply => {
    const contact = (payload['contact'] ?? []) as readonly string[];
    if (account !== null) {
      fake.accounts[account] = { contact };
      return { body: {} };
    }
    const known = keys.findIndex((key) => key !== null && thumbprintOf(key) === thumbprintOf(jwk));
    if (known >= 0) return { body: {}, location: `${base}/account/${known}` };
    if (payload['termsOfServiceAgreed'] !== true) refuse(403, 'userActionRequired', 'the terms');
    if (binding !== undefined) checkBinding(payload['externalAccountBinding'], jwk, binding);
    fake.accounts.push({ contact });
    return { status: 201, body: {}, location: `${base}/account/${keys.push(jwk) - 1}` };
  };

  const checkBinding = (
    value: unknown,
    jwk: Jwk,
    { kid, key }: { readonly kid: string; readonly key: string },
  ): void => {
    const jws = value as Record<'protected' | 'payload' | 'signature', string> | undefined;
    if (jws === undefined) refuse(401, 'externalAccountRequired', 'no binding');
    const head = decoded(jws.protected);
    const mac = createHmac('sha256', Buffer.from(key, 'base64url'))
      .update(`${jws.protected}.${jws.payload}`)
      .digest('base64url');
    const isRight =
      head['alg'] === 'HS256' && head['kid'] === kid && head['url'] === `${base}/account` && mac === jws.signature;
    if (!isRight || thumbprintOf(decoded(jws.payload) as unknown as Jwk) !== thumbprintOf(jwk))
      refuse(403, 'unauthorized', 'binding');
  };

  const newOrder = (payload: Record<string, unknown>, thumbprint: string): Reply => {
    const [identifier] = payload['identifiers'] as readonly { readonly type: string; readonly value: string }[];
    const name = identifier?.value ?? '';
    const refusal = fake.refusals.get(name);
    if (refusal !== undefined) throw new Refused(refusal);
    fake.orders.push({ name, replaces: (payload['replaces'] as string | undefined) ?? null });
    const number =
      held.push({
        name,
        thumbprint,
        status: 'pending',
        proof: randomBytes(8).toString('hex'),
        error: null,
        certificate: '',
      }) - 1;
    return { status: 201, body: orderOf(held[number] as Held, String(number)), location: `${base}/order/${number}` };
  };

  const authorizationOf = ({ name, status, proof, error }: Held, number: string): object => ({
    status: status === 'pending' || status === 'invalid' ? status : 'valid',
    identifier: { type: 'dns', value: name.replace(/^\*\./, '') },
    wildcard: name.startsWith('*.'),
    challenges: (name.startsWith('*.') ? ['dns-01'] : ['dns-01', 'http-01', 'tls-alpn-01']).map((type) => ({
      type,
      url: `${base}/challenge/${number}/${type}`,
      token: proof,
      ...(error === null ? {} : { error }),
    })),
  });

  const prove = (one: Held): void => {
    const expected = `${one.proof}.${one.thumbprint}`;
    const isShown = ['http-01', 'tls-alpn-01', 'dns-01'].some((type) => {
      const right = type === 'dns-01' ? createHash('sha256').update(expected).digest('base64url') : expected;
      return look(type, one.name.replace(/^\*\./, ''), one.proof) === right;
    });
    one.status = isShown ? 'ready' : 'invalid';
    one.error = isShown ? null : { type: `${prefix}incorrectResponse`, detail: `saw something else at ${one.name}` };
  };

  const finalize = (one: Held, csr: string): void => {
    if (one.status !== 'ready') refuse(403, 'orderNotReady', one.status);
    const { publicKey, names } = readRequest(Buffer.from(csr, 'base64url'));
    if (names.join() !== one.name) refuse(400, 'badCSR', names.join());
    const [notBefore, notAfter] = [new Date(clock.now()), new Date(clock.now() + lifeMs)];
    one.certificate = signCertificate({ commonName: one.name, names, notBefore, notAfter }, publicKey, signer);
    one.status = 'valid';
  };

  const orderOf = ({ status, name, error }: Held, number: string): object => ({
    status,
    identifiers: [{ type: 'dns', value: name }],
    authorizations: [`${base}/authorization/${number}`],
    finalize: `${base}/finalize/${number}`,
    ...(status === 'valid' ? { certificate: `${base}/certificate/${number}` } : {}),
    ...(error === null ? {} : { error }),
  });

  const fake: FakeAuthority = {
    url: `${base}/directory`,
    root: signer.certificate,
    orders: [],
    accounts: [],
    requests: 0,
    isDown: false,
    refusedNonces: 0,
    refusals: new Map(),
    advice: null,
    forgetAccounts: () => keys.fill(null),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

interface Reply {
  readonly status?: number;
  readonly body: unknown;
  readonly location?: string;
  readonly retryAfter?: string;
}

class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.detail);
    this.refusal = refusal;
  }
}

function refuse(status: number, type: string, detail: string): never {
  throw new Refused({ status, type, detail });
}

const decoded = (text: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>;

const thumbprintOf = ({ crv, kty, x, y }: Jwk): string =>
  createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');

function authoritySigner(clock: Clock): Signer & { readonly certificate: string } {
  const commonName = 'fake authority';
  const [notBefore, notAfter] = [new Date(clock.now() - dayMs), new Date(clock.now() + 3650 * dayMs)];
  const { certificate, key } = makeCertificate({ commonName, names: [], notBefore, notAfter, isAuthority: true });
  const publicKey = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return { commonName, key: createPrivateKey(key), publicKey, certificate };
}
