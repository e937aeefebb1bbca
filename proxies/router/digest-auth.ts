// HTTP digest authentication with MD5 (RFC 7616 §3, as Traefik's users have it). Nonces are ours, dated and signed; each count is used once.

import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../src/runtime/index.ts';
import { fieldId } from '../http1/index.ts';
import { admit, type Authenticator } from './authenticator.ts';
import { quoted, routerErrorOf, unauthorized } from './basic-auth.ts';
import type { DigestAuth } from './options-record.ts';
import type { RequestFacts } from './request-facts.ts';
import { openUsersFile } from './users-file.ts';

const nonceMs = 300_000;
/** Counts remembered; the oldest are forgotten, and their nonces with them sooner or later. */
const mostCounts = 20_000;

export function digestAuthenticator(rule: DigestAuth, clock: Clock): Authenticator {
  const nonces = createNonces(hash('sha256', JSON.stringify(rule), 'buffer'), clock);
  const file = rule.usersFile === undefined ? null : openUsersFile(rule.usersFile, clock);
  const named = new Map(rule.users.map(({ name, realm, hash }) => [`${name}:${realm}`, hash]));
  const hashOf = (name: string, realm: string): string | undefined => {
    const held = named.get(`${name}:${realm}`);
    const start = `${name}:${realm}:`;
    return (
      held ??
      file
        ?.lines()
        ?.find((line) => line.startsWith(start))
        ?.slice(start.length)
    );
  };
  const challenge = (stale: boolean): string =>
    `Digest realm=${quoted(rule.realm)}, qop="auth", algorithm=MD5, nonce="${nonces.make()}"${stale ? ', stale=true' : ''}`;
  return {
    everywhere: rule.everywhere,
    judge(facts) {
      if (file !== null && file.lines() === null) return { refused: routerErrorOf(503, facts) };
      const given = parametersOf(facts);
      if (given === null) return { refused: unauthorized(challenge(false), facts) };
      const secret = hashOf(given.get('username') ?? '', rule.realm);
      const right = isRight(given, secret ?? '', facts) && secret !== undefined && given.get('realm') === rule.realm;
      if (!right) return { refused: unauthorized(challenge(false), facts) };
      const fresh = nonces.use(given.get('nonce') ?? '', given.get('nc') ?? '');
      return fresh ? admit(given.get('username') ?? '', rule) : { refused: unauthorized(challenge(true), facts) };
    },
  };
}

function isRight(given: ReadonlyMap<string, string>, secret: string, { request }: RequestFacts): boolean {
  const [uri = '', nonce = '', nc = '', cnonce = '', response = ''] = ['uri', 'nonce', 'nc', 'cnonce', 'response'].map(
    (name) => given.get(name),
  );
  if (given.get('qop') !== 'auth' || uri !== request.forwardTarget) return false;
  const what = hash('md5', `${request.method}:${uri}`, 'hex');
  const expected = Buffer.from(hash('md5', `${secret}:${nonce}:${nc}:${cnonce}:auth:${what}`, 'hex'));
  const said = Buffer.from(response, 'latin1');
  return said.length === expected.length && timingSafeEqual(said, expected);
}

/** Names in lower case; null where the request has no digest. */
function parametersOf({ request }: RequestFacts): ReadonlyMap<string, string> | null {
  const { fields } = request;
  const at = fields.indexOf(fieldId.authorization);
  if (at < 0 || fields.indexOf(fieldId.authorization, at + 1) >= 0) return null;
  const match = /^digest +(.*)$/i.exec(fields.value(at));
  if (match === null) return null;
  const parameters = new Map<string, string>();
  for (const [, name = '', text, token] of (match[1] ?? '').matchAll(
    /([a-zA-Z*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g,
  ))
    parameters.set(name.toLowerCase(), text?.replace(/\\(.)/g, '$1') ?? token ?? '');
  return parameters;
}

interface Nonces {
  make(): string;
  /** Whether the nonce is ours and young, and the count was not used with it. */
  use(nonce: string, count: string): boolean;
}

/** `key`: of the rule with its secrets, so that every worker knows the nonces of the others. Counts are known to each alone. */
function createNonces(key: Buffer, clock: Clock): Nonces {
  const used = new Set<string>();
  const sign = (text: string): string => createHmac('sha256', key).update(text).digest('base64url').slice(0, 22);
  return {
    make() {
      const text = `${Math.floor(clock.now()).toString(36)}.${randomBytes(6).toString('base64url')}`;
      return `${text}.${sign(text)}`;
    },
    use(nonce, count) {
      const [at = '', chance = '', signature = ''] = nonce.split('.');
      if (signature.length !== 22 || sign(`${at}.${chance}`) !== signature) return false;
      if (Math.abs(clock.now() - parseInt(at, 36)) > nonceMs || !/^[0-9a-f]{8}$/i.test(count)) return false;
      const use = `${nonce}:${count.toLowerCase()}`;
      if (used.has(use)) return false;
      used.add(use);
      if (used.size > mostCounts) for (const oldest of used) if (used.delete(oldest)) break;
      return true;
    },
  };
}
