// How the servers of a Traefik backend are chosen, called and checked, by labels `traefik.backend.*` (specs/l7.md §2.2).

import type { App } from '../../../src/cluster/index.ts';
import { parseBreakerExpression } from '../breaker-expression.ts';
import type { RequestKey } from '../options-record.ts';
import { parseRetryExpression } from '../retry-rule.ts';
import type { CheckRule, ServiceEntry, Sticky } from '../service-record.ts';
import type { TraefikLabels } from './traefik-labels.ts';
import { stickyCookieName } from './traefik-names.ts';

export function traefikService(
  id: string,
  name: string,
  app: App,
  labels: TraefikLabels,
  isReference: boolean,
): ServiceEntry {
  const method = labels.text('backend.loadbalancer.method')?.toLowerCase() ?? 'wrr';
  if (method !== 'wrr' && method !== 'drr')
    labels.warn('backend.loadbalancer.method', `"${method}" is no method, so it is wrr`, 'wrr or drr');
  const protocol = protocolOf(labels);
  const sticky = stickyOf(name, labels, isReference);
  const check = checkOf(labels);
  const expression = breakerOf(labels);
  const again = retryExpressionOf(labels);
  return Object.freeze({
    kind: 'service',
    id,
    name,
    appIds: [app.id],
    mode: 'http',
    ...(protocol === 'http' ? {} : { protocol }),
    ...(method === 'drr' ? { balance: { policy: 'drr' } } : {}),
    ...(sticky === null ? {} : { sticky }),
    ...(check === null ? {} : { check }),
    ...(again === null ? {} : { retries: { attempts: mostAttempts, on: [], expression: again } }),
    ...(expression === null ? {} : { breaker: { expression, openMs: 10_000, recoveryMs: 10_000 } }),
  } as const);
}

/** As Traefik has it, whatever the expression says. */
const mostAttempts = 10;

function retryExpressionOf(labels: TraefikLabels): string | null {
  const name = 'backend.buffering.retryExpression';
  const expression = labels.text(name);
  if (expression === null || parseRetryExpression(expression) !== null) return expression;
  const hint = 'such as IsNetworkError() && Attempts() <= 2';
  labels.warn(name, `"${expression}" is no expression, so it asks for no retry`, hint);
  return null;
}

function breakerOf(labels: TraefikLabels): string | null {
  const name = 'backend.circuitbreaker.expression';
  const expression = labels.text(name);
  if (expression === null || parseBreakerExpression(expression) !== null) return expression;
  labels.warn(name, `"${expression}" is no expression, so there is no breaker`, 'such as NetworkErrorRatio() > 0.5');
  return null;
}

function protocolOf(labels: TraefikLabels): NonNullable<ServiceEntry['protocol']> {
  const protocol = labels.text('protocol') ?? 'http';
  if (protocol === 'http' || protocol === 'https' || protocol === 'h2c') return protocol;
  labels.warn('protocol', `"${protocol}" is no protocol, so it is http`, 'http, https or h2c');
  return 'http';
}

function stickyOf(backendName: string, labels: TraefikLabels, isReference: boolean): Sticky | null {
  const scope = 'backend.loadbalancer.stickiness';
  if (!labels.flag(scope, false) && !labels.flag('backend.loadbalancer.sticky', false)) return null;
  const sameSite = (labels.text(`${scope}.sameSite`) ?? '').toLowerCase();
  if (!/^(?:lax|strict|none)?$/.test(sameSite))
    labels.warn(`${scope}.sameSite`, `"${sameSite}" is not known`, 'none, lax or strict');
  return {
    cookie: stickyCookieName(labels.text(`${scope}.cookieName`) ?? '', backendName),
    acceptsUrl: true,
    path: '/',
    httpOnly: labels.flag(`${scope}.httpOnly`, !isReference),
    secure: labels.flag(`${scope}.secure`, false) ? 'always' : isReference ? 'never' : 'on-tls',
    sameSite:
      sameSite === 'lax' || sameSite === 'strict' || sameSite === 'none' ? sameSite : isReference ? null : 'lax',
    whileDraining: !isReference,
  };
}

function checkOf(labels: TraefikLabels): CheckRule | null {
  const path = labels.text('backend.healthcheck.path');
  if (path === null || path === '') return null;
  const port = labels.integer('backend.healthcheck.port', 0);
  const host = labels.text('backend.healthcheck.hostname');
  const headers = labels.pairs('backend.healthcheck.headers');
  return {
    kind: 'http',
    secure: (labels.text('backend.healthcheck.scheme') ?? labels.text('protocol')) === 'https',
    method: 'GET',
    path,
    ...(host === null || host === '' ? {} : { host }),
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    ...(port > 0 ? { port } : {}),
    intervalMs: labels.durationMs('backend.healthcheck.interval', 30_000),
    timeoutMs: 5000,
    fall: 1,
    rise: 1,
  };
}

/** `request.host`, `client.ip` or `request.header.NAME`. */
export function requestKey(text: string): RequestKey | null {
  if (text === 'request.host') return { by: 'host' };
  if (text === 'client.ip') return { by: 'client' };
  const name = /^request\.header\.(\S+)$/.exec(text)?.[1];
  return name === undefined ? null : { by: 'header', name: name.toLowerCase() };
}
