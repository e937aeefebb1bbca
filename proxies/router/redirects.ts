// Redirects that a route answers with instead of asking its backends (specs/l7.md §1.5, §1.10, §2.2).

import type { LocalAnswer } from '../http1/index.ts';
import { goReplacement } from './go-replacement.ts';
import type { HttpsRedirect, UrlRedirect } from './options-record.ts';
import { hostOf, type RequestFacts } from './request-facts.ts';

/** Null: no redirect; the request goes on. */
export type Redirect = (facts: RequestFacts) => LocalAnswer | null;

/**
 * To https only on the plain http listeners, and not for whom a trusted proxy says that TLS ends there: that would loop; to http on those
 * with TLS.
 */
export function httpsRedirect(rule: HttpsRedirect): Redirect {
  const port = rule.port === null || rule.port === 443 ? '' : `:${rule.port}`;
  const isBack = rule.scheme === 'http';
  return (facts) => {
    const { request } = facts;
    if (facts.entry !== 'vhost') return null;
    const isForced = rule.forcesHost === true && hostOf(request.authority).toLowerCase() !== rule.host?.toLowerCase();
    if (isSecure(rule, facts) !== isBack && !isForced) return null;
    const host = rule.host ?? (rule.hostAsSent === true ? request.authority : hostOf(request.authority));
    if (host === '') return null;
    const location = `${rule.scheme ?? 'https'}://${host}${rule.hostAsSent === true ? '' : port}${request.forwardTarget}`;
    return redirectTo(location, isRead(request.method) ? rule.code : rule.otherCode, facts);
  };
}

/** X-Forwarded-* of strangers say nothing; another field that a label names is the affair of who set it. */
function isSecure({ secureIf }: HttpsRedirect, { secure, request, peer }: RequestFacts): boolean {
  if (secure || secureIf === undefined) return secure;
  return secureIf.some(
    ([name, value]) =>
      (peer.trusted || !/^x-forwarded-/i.test(name)) && request.fields.get(name.toLowerCase()) === value,
  );
}

/** The expression on the whole URL; what it leaves as it was is no redirect. */
export function urlRedirect(rule: UrlRedirect): Redirect {
  const regex = new RegExp(rule.regex);
  const replacement = goReplacement(rule.replacement);
  return (facts) => {
    const { request } = facts;
    const url = `${facts.secure ? 'https' : 'http'}://${request.authority}${request.forwardTarget}`;
    const location = url.replace(regex, replacement);
    if (location === url) return null;
    const read = request.method === 'GET' || request.method === 'HEAD';
    const code = rule.permanent ? (read ? 301 : 308) : read ? 302 : 307;
    return redirectTo(location, code, facts);
  };
}

/** From exactly `/` of these hosts. */
export function rootRedirect(rule: { readonly to: string; readonly hosts: readonly string[] }): Redirect {
  const hosts = new Set(rule.hosts.map((host) => host.toLowerCase()));
  return (facts) =>
    facts.request.matchPath === '/' && hosts.has(facts.request.host) ? redirectTo(rule.to, 301, facts) : null;
}

const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD';

function redirectTo(location: string, status: number, { requestId }: RequestFacts): LocalAnswer {
  return {
    status,
    fields: [
      ['Location', location],
      ['X-Request-Id', requestId],
    ],
    contentType: 'text/plain; charset=utf-8',
    body: '',
  };
}
