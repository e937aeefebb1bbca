// Error pages that a service of its own makes (Traefik's `errors`): asked in place of an answer whose status a rule names, the status kept.
// Never of themselves: what comes back is the page, whatever its status (specs/l7.md §3.11).

import { request as httpRequest } from 'node:http';
import type { LocalAnswer } from '../http1/index.ts';
import type { ErrorPage } from './options-record.ts';
import type { Service } from './service.ts';

const answerWithinMs = 5_000;
const mostPageBytes = 1024 * 1024;

/** The rule for a status; null: none. */
export function pageFor(rules: readonly ErrorPage[], status: number): ErrorPage | null {
  const names = ({ statuses }: ErrorPage): boolean => statuses.some(([from, to]) => status >= from && status <= to);
  return rules.find(names) ?? null;
}

/** Calls back once: with the page, or with `otherwise` where there is none to be had. The answer withdraws the question. */
export function fetchErrorPage(
  rule: ErrorPage,
  service: Service,
  host: string,
  otherwise: LocalAnswer,
  done: (answer: LocalAnswer) => void,
): () => void {
  const backend = service.picker.pick({ hash: 0, tried: null });
  let over = false;
  const end = (answer: LocalAnswer): void => {
    if (over) return;
    over = true;
    done(answer);
  };
  if (backend === null) {
    end(otherwise);
    return () => undefined;
  }
  const path = rule.query.replaceAll('{status}', String(otherwise.status));
  const call = httpRequest({
    host: backend.ip,
    port: backend.port,
    path: path.startsWith('/') ? path : `/${path}`,
    headers: host === '' ? {} : { host },
    agent: false,
  });
  call.setTimeout(answerWithinMs, () => call.destroy(new Error('no page in time')));
  call.on('error', () => end(otherwise));
  call.on('response', (answer) => {
    const parts: Buffer[] = [];
    let size = 0;
    answer.on('data', (part: Buffer) => {
      size += part.length;
      if (size > mostPageBytes) call.destroy(new Error('the page is too large'));
      else parts.push(part);
    });
    answer.on('error', () => end(otherwise));
    answer.on('end', () => {
      const contentType = answer.headers['content-type'] ?? 'text/html';
      end({ ...otherwise, contentType, body: Buffer.concat(parts).toString('utf8') });
    });
  });
  call.end();
  return () => {
    over = true;
    call.on('error', () => undefined).destroy();
  };
}
