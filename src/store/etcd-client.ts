// Client of etcd's v3 JSON gateway (etcd 3.4 and later: `/v3/…`): several endpoints, a login, and a limit on every wait. While no
// endpoint answers, calls fail at once for a moment, so that whoever needs several values waits once.

import type * as Undici from 'undici';
import type { Dispatcher } from 'undici';
import { IsthmusError, messageOf, onDemand, type Clock } from '../runtime/index.ts';

export interface EtcdAccess {
  /** `http://HOST:PORT`, perhaps with the path of a gateway before it; the one that answered last is asked first. */
  readonly endpoints: readonly string[];
  readonly auth?: EtcdAuth | undefined;
  readonly tls?: EtcdTls | undefined;
}

export type EtcdAuth = { readonly user: string; readonly password: string } | { readonly token: string };

/** PEM texts, and whether to trust whoever answers. */
export interface EtcdTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly insecure?: boolean | undefined;
}

export interface EtcdLimits {
  readonly connectMs: number;
  readonly readMs: number;
  readonly writeMs: number;
  /** After a round in which no endpoint answered. */
  readonly restMs: number;
}

/** Fields of a JSON answer; those of protobuf's default value are absent. */
export type EtcdAnswer = Readonly<Record<string, unknown>>;

export interface EtcdClient {
  /**
   * POSTs `body` to `/v3/PATH`. Throws STORE_UNREACHABLE where no endpoint answers, STORE_REFUSED where one says no: both without
   * credentials and values.
   */
  call(path: string, body: object): Promise<EtcdAnswer>;
  close(): Promise<void>;
}

export const etcdLimits: EtcdLimits = { connectMs: 1500, readMs: 2000, writeMs: 5000, restMs: 2000 };

const undici = onDemand<typeof Undici>('undici');
/** Codes of gRPC that say: ask another. */
const passing: ReadonlySet<unknown> = new Set([4, 14]);
const unauthenticated = 16;

interface Reply {
  readonly status: number;
  readonly fields: EtcdAnswer;
}

export function createEtcdClient(access: EtcdAccess, clock: Clock, limits: EtcdLimits = etcdLimits): EtcdClient {
  return new GatewayClient(access, clock, limits);
}

class GatewayClient implements EtcdClient {
  readonly #access: EtcdAccess;
  readonly #clock: Clock;
  readonly #limits: EtcdLimits;
  #dispatcher: Dispatcher | null = null;
  /** Index of the endpoint to be asked first. */
  #first = 0;
  #restsUntil = -Infinity;
  #lastReason = '';
  #token: string | null = null;
  #loggingIn: Promise<void> | null = null;

  constructor(access: EtcdAccess, clock: Clock, limits: EtcdLimits) {
    this.#access = access;
    this.#clock = clock;
    this.#limits = limits;
    if (access.auth !== undefined && 'token' in access.auth) this.#token = access.auth.token;
  }

  async call(path: string, body: object): Promise<EtcdAnswer> {
    const text = JSON.stringify(body);
    if (this.#token === null && this.#access.auth !== undefined) await this.#loginOnce();
    let reply = await this.#ask(path, text);
    if (this.#wantsLogin(reply)) {
      await this.#loginOnce();
      reply = await this.#ask(path, text);
    }
    if (reply.status === 200) return reply.fields;
    throw refused(`etcd says no to ${path}: ${reasonOf(reply)}`);
  }

  async close(): Promise<void> {
    await this.#dispatcher?.destroy();
  }

  /** One after the other, each endpoint once. */
  async #ask(path: string, text: string): Promise<Reply> {
    if (this.#clock.monotonic() < this.#restsUntil) throw unreachable(this.#lastReason);
    const { endpoints } = this.#access;
    const reasons: string[] = [];
    for (let n = 0; n < endpoints.length; n++) {
      const endpoint = endpoints[this.#first % endpoints.length] as string;
      try {
        const reply = await this.#request(endpoint, path, text);
        if (reply.status < 500 && !passing.has(reply.fields['code'])) return reply;
        reasons.push(`${new URL(endpoint).host}: ${reasonOf(reply)}`);
      } catch (error) {
        reasons.push(`${new URL(endpoint).host}: ${messageOf(error)}`);
      }
      this.#first++;
    }
    this.#restsUntil = this.#clock.monotonic() + this.#limits.restMs;
    this.#lastReason = reasons.join('; ');
    throw unreachable(this.#lastReason);
  }

  async #request(endpoint: string, path: string, text: string): Promise<Reply> {
    const answerMs = path === 'kv/range' ? this.#limits.readMs : this.#limits.writeMs;
    const token = path === 'auth/authenticate' ? null : this.#token;
    const answer = await undici().request(`${endpoint.replace(/\/+$/, '')}/v3/${path}`, {
      method: 'POST',
      dispatcher: (this.#dispatcher ??= this.#connect()),
      headersTimeout: answerMs,
      bodyTimeout: answerMs,
      headers: { 'content-type': 'application/json', ...(token === null ? {} : { authorization: token }) },
      body: text,
    });
    return { status: answer.statusCode, fields: fieldsOf(await answer.body.text()) };
  }

  #connect(): Dispatcher {
    const { ca, cert, key, insecure } = this.#access.tls ?? {};
    const timeout = this.#limits.connectMs;
    const files = { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }) };
    const tls = { ...files, ...(key === undefined ? {} : { key }), rejectUnauthorized: insecure !== true };
    return new (undici().Agent)({ connect: { timeout, ...tls } });
  }

  /** A token of its own ends sooner or later, and with it what etcd knew of us. */
  #wantsLogin({ status, fields }: Reply): boolean {
    if (this.#access.auth === undefined || 'token' in this.#access.auth || status === 200) return false;
    const says = String(fields['error'] ?? '');
    return fields['code'] === unauthenticated || /user name is empty|revision of auth store is old/.test(says);
  }

  #loginOnce(): Promise<void> {
    return (this.#loggingIn ??= this.#login().finally(() => (this.#loggingIn = null)));
  }

  async #login(): Promise<void> {
    const { auth } = this.#access;
    if (auth === undefined || 'token' in auth) return;
    this.#token = null;
    const body = JSON.stringify({ name: auth.user, password: auth.password });
    const reply = await this.#ask('auth/authenticate', body);
    // Where nobody has to log in, nobody can.
    if (/authentication is not enabled/.test(reasonOf(reply))) return;
    const token = reply.fields['token'];
    if (reply.status !== 200 || typeof token !== 'string') throw refused(`etcd refuses the login: ${reasonOf(reply)}`);
    this.#token = token;
  }
}

function fieldsOf(text: string): EtcdAnswer {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as EtcdAnswer) : {};
  } catch {
    throw new Error('answers something that is not JSON');
  }
}

const reasonOf = ({ status, fields }: Reply): string =>
  typeof fields['error'] === 'string' ? fields['error'] : `status ${status}`;

const unreachable = (reason: string): IsthmusError =>
  new IsthmusError('STORE_UNREACHABLE', `no endpoint of etcd answers (${reason})`, {
    side: 'upstream',
    retryable: true,
  });

const refused = (message: string): IsthmusError =>
  new IsthmusError('STORE_REFUSED', message, { side: 'upstream', retryable: false });
