// Authentication by asking somebody else: a request of our own decides, 2xx lets in, anything else is the answer (specs/l7.md §2.2).

import { readFileSync } from 'node:fs';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type LocalAnswer } from '../http1/index.ts';
import type { Authenticator, AuthResult } from './authenticator.ts';
import { routerErrorOf } from './basic-auth.ts';
import { forwardedAddresses, type RequestFacts } from './request-facts.ts';
import type { ForwardAuth } from './options-record.ts';

const answerWithinMs = 10_000;
const mostBodyBytes = 64 * 1024;
/** Of the client's fields these are between it and us alone, or ours to write. */
const notSent = /^(?:connection|content-length|transfer-encoding|te|trailer|upgrade|expect|host|keep-alive|proxy-.*)$/i;
const notReturned = /^(?:connection|content-length|content-type|transfer-encoding|keep-alive|trailer|upgrade|date)$/i;

export function forwardAuthenticator(rule: ForwardAuth): Authenticator {
  const url = new URL(rule.address);
  const tls = rule.tls === undefined ? {} : tlsOptions(rule.tls);
  return {
    everywhere: rule.everywhere,
    judge(facts, settle) {
      let done = false;
      const end = (result: AuthResult): void => {
        if (done) return;
        done = true;
        settle(result);
      };
      const open = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const call: ClientRequest = open(url, { method: 'GET', headers: fieldsFor(rule, facts), ...tls, agent: false });
      call.setTimeout(answerWithinMs, () => call.destroy(new Error('no answer in time')));
      call.on('error', () => end({ refused: routerErrorOf(503, facts) }));
      call.on('response', (answer) => read(answer, (body) => end(resultOf(answer, body, rule, facts))));
      call.end();
      return () => {
        done = true;
        call.destroy();
      };
    },
  };
}

function tlsOptions(tls: NonNullable<ForwardAuth['tls']>): object {
  const text = (path: string | undefined): Buffer | undefined => (path === undefined ? undefined : readFileSync(path));
  return { ca: text(tls.ca), cert: text(tls.cert), key: text(tls.key), rejectUnauthorized: !tls.insecure };
}

function fieldsFor(rule: ForwardAuth, { request, peer, client, secure }: RequestFacts): Record<string, string[]> {
  const fields: Record<string, string[]> = {};
  for (let i = 0; i < request.fields.count; i++) {
    const name = request.fields.name(i).toLowerCase();
    if (notSent.test(name) || name.startsWith('x-forwarded-')) continue;
    (fields[name] ??= []).push(request.fields.value(i));
  }
  const before = rule.trustForwardHeader || peer.trusted ? forwardedAddresses(request) : [];
  const kept = (name: string, ours: string): string[] => [
    (rule.trustForwardHeader ? request.fields.get(name) : null) ?? ours,
  ];
  fields['x-forwarded-method'] = kept('x-forwarded-method', request.method);
  fields['x-forwarded-proto'] = kept('x-forwarded-proto', secure ? 'https' : 'http');
  fields['x-forwarded-host'] = kept('x-forwarded-host', request.authority);
  fields['x-forwarded-uri'] = kept('x-forwarded-uri', request.forwardTarget);
  fields['x-forwarded-for'] = [before.length > 0 ? [...before, peer.address].join(', ') : client];
  return fields;
}

function read(answer: IncomingMessage, whole: (body: Buffer) => void): void {
  const parts: Buffer[] = [];
  let size = 0;
  answer.on('data', (part: Buffer) => {
    size += part.length;
    if (size <= mostBodyBytes) parts.push(part);
  });
  answer.on('end', () => whole(Buffer.concat(parts)));
}

function resultOf(answer: IncomingMessage, body: Buffer, rule: ForwardAuth, facts: RequestFacts): AuthResult {
  const status = answer.statusCode ?? 500;
  if (status >= 200 && status < 300) {
    const copied = rule.responseHeaders.map((name) => name.toLowerCase());
    const lines = copied.flatMap((name) => valuesOf(answer, name).map((value) => `${name}: ${value}\r\n`));
    return { admitted: { user: '', lines: lines.join(''), gone: copied } };
  }
  const fields: [string, string][] = [['X-Request-Id', facts.requestId]];
  for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) {
    const name = answer.rawHeaders[i] ?? '';
    if (!notReturned.test(name)) fields.push([name, answer.rawHeaders[i + 1] ?? '']);
  }
  const refused: LocalAnswer = {
    status,
    fields,
    contentType: answer.headers['content-type'] ?? 'text/plain',
    body: body.toString('utf8'),
  };
  return { refused };
}

function valuesOf(answer: IncomingMessage, name: string): readonly string[] {
  const value = answer.headers[name];
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}
