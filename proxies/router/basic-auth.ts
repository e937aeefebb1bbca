// HTTP basic authentication by hashed passwords (RFC 7617; specs/l7.md §1.9). What a client sent is never logged and never kept.

import type { Clock } from '../../src/runtime/index.ts';
import { fieldId, type LocalAnswer } from '../http1/index.ts';
import type { PasswordChecker } from '../passwords/index.ts';
import { admit, type AuthResult, type Authenticator } from './authenticator.ts';
import type { BasicAuth } from './options-record.ts';
import type { RequestFacts } from './request-facts.ts';
import { routerError } from './router-answers.ts';
import { openUsersFile } from './users-file.ts';

/** Costs what a real one costs, so that time does not tell which users there are. */
const nobodysHash = '$6$nobody$8Qy4YHAsUPVzSPpPU0RZIJZTHhUCDHPkRyvR3h2zOQHBW5xqTZlYnRMqPd9oQuwbVVAQZ0hbFh2nh8YjJp5lR/';

export function basicAuthenticator(rule: BasicAuth, checker: PasswordChecker, clock: Clock): Authenticator {
  const named = new Map(rule.users.map(({ name, hash }) => [name, hash]));
  const file = rule.usersFile === undefined ? null : openUsersFile(rule.usersFile, clock);
  const challenge = `Basic realm=${quoted(rule.realm)}`;
  const typical = rule.users[0]?.hash ?? nobodysHash;
  let readLines: readonly string[] | null = null;
  let fromFile = new Map<string, string>();
  const hashOf = (name: string): string | null | undefined => {
    if (file === null) return named.get(name);
    const lines = file.lines();
    if (lines === null) return null;
    if (lines !== readLines) {
      readLines = lines;
      fromFile = new Map(lines.map(splitAtColon));
    }
    return named.get(name) ?? fromFile.get(name);
  };
  return {
    everywhere: rule.everywhere,
    judge(facts, settle) {
      if (file !== null && file.lines() === null) return { refused: routerErrorOf(503, facts) };
      const given = credentialsOf(facts);
      if (given === null) return { refused: unauthorized(challenge, facts) };
      const hash = hashOf(given.name);
      if (hash === null) return { refused: routerErrorOf(503, facts) };
      const resultOf = (right: boolean | null): AuthResult => {
        if (right === null) return { refused: routerErrorOf(503, facts) };
        return right && hash !== undefined ? admit(given.name, rule) : { refused: unauthorized(challenge, facts) };
      };
      const known = checker.known(given.password, hash ?? typical);
      if (known !== null) return resultOf(known);
      return checker.check(given.password, hash ?? typical, (right) => settle(resultOf(right)));
    },
  };
}

interface Credentials {
  readonly name: string;
  readonly password: Buffer;
}

function credentialsOf({ request }: RequestFacts): Credentials | null {
  const { fields } = request;
  const at = fields.indexOf(fieldId.authorization);
  // Two sets of credentials: who says which of them a backend would take?
  if (at < 0 || fields.indexOf(fieldId.authorization, at + 1) >= 0) return null;
  const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(fields.value(at));
  if (match === null) return null;
  const bytes = Buffer.from(match[1] ?? '', 'base64');
  const colon = bytes.indexOf(0x3a);
  if (colon < 0) return null;
  return { name: bytes.toString('utf8', 0, colon), password: bytes.subarray(colon + 1) };
}

function splitAtColon(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1)];
}

/** The realm as a quoted string. */
export const quoted = (text: string): string =>
  `"${text.replace(/[^\t\x20-\x7e]/g, '?').replace(/["\\]/g, (char) => `\\${char}`)}"`;

export function unauthorized(challenge: string, { requestId, request }: RequestFacts): LocalAnswer {
  return routerError(401, requestId, request.fields, [['WWW-Authenticate', challenge]]);
}

export const routerErrorOf = (status: number, { requestId, request }: RequestFacts): LocalAnswer =>
  routerError(status, requestId, request.fields);
