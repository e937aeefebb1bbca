// Credentials of a DC/OS service account: a login signed with its key gives a token, which is renewed before it ends and after a 401
// (specs/orchestrator.md §4.2). Neither key nor token is ever logged or part of an error.

import { createHash, createPrivateKey, sign, type KeyObject } from 'node:crypto';
import type * as Undici from 'undici';
import { messageOf, onDemand, type Clock, type Logger, type Random } from '../runtime/index.ts';
import {
  createCredentials,
  tlsFields,
  type Credentials,
  type DcosAccount,
  type SourceAuth,
  type SourceTls,
} from './credentials.ts';
import { objectOf, textOf } from './json.ts';

const undici = onDemand<typeof Undici>('undici');

interface DcosTools {
  readonly name: string;
  readonly tls: SourceTls | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** How long the word with which we log in is good for: clocks differ. */
const loginSeconds = 60;
const answerMs = 10_000;
/** After a login that failed nobody tries again for so long: accounts are locked by those who do. */
const pauseMs = 5000;
/** Where a token does not say when it ends. */
const defaultLifeMs = 5 * 24 * 3600_000;
const renewShare = 0.8;

interface Token {
  readonly text: string;
  /** Epoch milliseconds from which on another one is asked for. */
  readonly renewAt: number;
}

/** Of this process, by a hash of account and TLS: sources of one cluster log in once for all. */
const loggedIn = new Map<string, Credentials>();

/** What a source presents itself with, of whatever kind. Sources with the same account get the same login. */
export function credentialsOf(auth: SourceAuth | undefined, tools: DcosTools): Credentials {
  if (auth?.dcos === undefined) return createCredentials(auth);
  const key = createHash('sha256')
    .update(JSON.stringify([auth.dcos, tools.tls ?? {}]))
    .digest('hex');
  let credentials = loggedIn.get(key);
  if (credentials === undefined) loggedIn.set(key, (credentials = createDcosCredentials(auth.dcos, tools)));
  return credentials;
}

/** One login at a time, whoever asks. Where it fails, the token that is there is used on, or none. */
function createDcosCredentials(account: DcosAccount, tools: DcosTools): Credentials {
  const { clock, log, name } = tools;
  const key = createPrivateKey(account.privateKey);
  let token: Token | null = null;
  let loggingIn: Promise<boolean> | null = null;
  let failedAt = -Infinity;

  const login = async (): Promise<boolean> => {
    if (clock.monotonic() - failedAt < pauseMs) return false;
    try {
      const text = await fetchToken(account, key, tools);
      token = { text, renewAt: renewalOf(text, clock.now(), tools.random) };
      log.info({ source: name }, 'Logged in at DC/OS');
      return true;
    } catch (error) {
      failedAt = clock.monotonic();
      log.warn(
        { source: name, reason: messageOf(error) },
        'Could not log in at DC/OS: check uid and key of the account',
      );
      return false;
    }
  };
  const loginOnce = (): Promise<boolean> => (loggingIn ??= login().finally(() => (loggingIn = null)));

  return {
    async authorization() {
      if (token === null || clock.now() >= token.renewAt) await loginOnce();
      return token === null ? null : `token=${token.text}`;
    },
    renew: () => loginOnce(),
  };
}

async function fetchToken({ uid, login }: DcosAccount, key: KeyObject, tools: DcosTools): Promise<string> {
  const { Agent, request } = undici();
  const dispatcher = new Agent({ connect: tlsFields(tools.tls) });
  try {
    const answer = await request(login, {
      method: 'POST',
      dispatcher,
      headersTimeout: answerMs,
      bodyTimeout: answerMs,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ uid, token: signedWord(uid, key, tools.clock.now()) }),
    });
    const body = await answer.body.text();
    // What a server answers may repeat what it was sent: no word of it is told.
    if (answer.statusCode !== 200) throw new Error(`the login answers ${answer.statusCode}`);
    const text = textOf(objectOf(parsed(body))['token']);
    if (text === null || !/^[\x21-\x7e]+$/.test(text)) throw new Error('the login answers without a token');
    return text;
  } finally {
    await dispatcher.close();
  }
}

function signedWord(uid: string, key: KeyObject, now: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(now / 1000) + loginSeconds;
  const text = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ uid, exp })}`;
  return `${text}.${sign('RSA-SHA256', Buffer.from(text), key).toString('base64url')}`;
}

/** At four fifths of the token's life, a little earlier by chance, so that many edges do not come at once. */
function renewalOf(token: string, now: number, random: Random): number {
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
  const exp = objectOf(parsed(payload))['exp'];
  const lifeMs = typeof exp === 'number' ? exp * 1000 - now : defaultLifeMs;
  return now + Math.max(0, lifeMs) * (renewShare - random() / 20);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
