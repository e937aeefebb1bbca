// What a route's policy makes of answers: fields that go, lines that come, for answers of backends and for our own.

import type { FieldList, LocalAnswer } from '../http1/index.ts';
import { hstsLine, type RequestPolicy } from './request-policy.ts';
import type { RequestFacts } from './request-facts.ts';

/** How the head of a backend's answer is changed. */
export interface FieldChange {
  /** Lower case: fields that do not go on. */
  readonly gone: ReadonlySet<string>;
  /** Further lines, each with its CRLF. */
  readonly lines: string;
}

export function changeOfAnswer(policy: RequestPolicy, facts: RequestFacts, fields: FieldList): FieldChange {
  const gone = new Set<string>();
  let lines = '';
  const location = policy.location?.(fields) ?? null;
  if (location !== null) {
    for (const name of location.names) gone.add(name);
    lines += location.lines;
  }
  for (const changes of [policy.responseHeaders, policy.securityHeaders]) {
    if (changes === null) continue;
    for (const name of changes.gone) gone.add(name);
    lines += changes.lines(facts);
  }
  const hsts = policy.hsts === null ? '' : hstsLine(policy.hsts, facts.secure);
  if (hsts !== '') gone.add('strict-transport-security');
  return { gone, lines: lines + hsts };
}

/** An answer of ours with what the route wants on every one. */
export function dressLocally(answer: LocalAnswer, policy: RequestPolicy, facts: RequestFacts): LocalAnswer {
  const page = policy.errorFiles.get(answer.status);
  const lines = (policy.securityHeaders?.lines(facts) ?? '') + (policy.hsts ? hstsLine(policy.hsts, facts.secure) : '');
  if (page === undefined && lines === '') return answer;
  const extra = lines
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line): readonly [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 2)];
    });
  return { ...answer, ...page, fields: [...answer.fields, ...extra] };
}
