// Traefik's rule language and what its rules do to paths, by the functions that the daemon uses.

import { bindTcp, createMetrics, seededRandom, silentLogger, systemClock } from '../../src/runtime/index.ts';
import { RouteMatcher } from '../../proxies/router/route-matcher.ts';
import { createRouterFunction, createRouteView, type RouteEntry } from '../../proxies/router/index.ts';
import { LabelReader } from '../../proxies/router/labels/label-reader.ts';
import { traefikOptions } from '../../proxies/router/labels/traefik-frontend.ts';
import { TraefikLabels } from '../../proxies/router/labels/traefik-labels.ts';
import { httpsRedirect } from '../../proxies/router/redirects.ts';
import type { RequestFacts } from '../../proxies/router/request-facts.ts';
import { clusterOf, routedApp, routedTask } from '../proxies/router/routed-apps.ts';
import { ask, Backends } from './l7-backends.ts';
import { traefikOf } from './l7-traefik-build.ts';
import { isRejection } from '../../proxies/router/label-values.ts';
import { stickyCookieName } from '../../proxies/router/labels/traefik-names.ts';
import { domainsOfRule, parseTraefikRule, type TraefikRule } from '../../proxies/router/labels/traefik-rule.ts';
import { canonicalPath, parseAuthority, type RequestView } from '../../proxies/http1/index.ts';
import { pathChanger } from '../../proxies/router/path-changes.ts';
import { judge, rowOf, rowsOf, same, textsOf, type Report, type Row } from './l7-outcome.ts';

type Compare = (row: Row) => Promise<readonly string[]> | readonly string[];

const tables: Readonly<Record<string, Compare>> = {
  rules: compareRule,
  domains: compareDomains,
  priorities: comparePriorities,
  stickyCookieName: (row) =>
    same('name', stickyCookieName(String(row['cookieName']), String(row['backendName'])), row['expect']),
  stripPrefix: (row) => compareChange(row, 'PathPrefixStrip'),
  stripPrefixRegex: (row) => compareChange(row, 'PathPrefixStripRegex'),
  replacePath: (row) => compareChange(row, ''),
  addPrefix: (row) => compareChange(row, ''),
  redirect: compareRedirect,
  emptyBackend: compareEmpty,
  hostNormalisation: (row) => same('host', parseAuthority(String(row['host']))?.host, row['expect']),
};

export async function runTraefikRules(cases: unknown, report: Report): Promise<void> {
  for (const [key, list] of Object.entries(rowOf(cases))) {
    if (key === 'about') continue;
    const compare = tables[key];
    for (const [index, row] of rowsOf(list, key).entries())
      await judge(
        `rules ${key} ${index}`,
        report,
        () => compare?.(row) ?? ['is a table that the runner does not know'],
        kindOf(key, row),
      );
  }
}

/** Why exempt.json may have a word: a redirect to another port of the same scheme. */
function kindOf(key: string, row: Row): string {
  if (key !== 'redirect') return `rules ${key}`;
  const { tls, address } = rowOf(row['targetEntryPoint']);
  const isOther = String(row['url']).startsWith('https:') !== (tls === true) && /^:\d+$/.test(String(address));
  return isOther ? `rules ${key}` : 'rules redirect within a scheme';
}

/** Default ports are left out of the Location on purpose (specs/l7.md §2.6). */
function compareRedirect(row: Row): readonly string[] {
  const entryPoint = rowOf(row['targetEntryPoint'])['tls'] === true ? 'https' : 'http';
  const labels = {
    'traefik.frontend.redirect.entryPoint': entryPoint,
    'traefik.frontend.redirect.permanent': String(row['permanent'] === true),
  };
  const reader = new TraefikLabels(new LabelReader(routedApp('/a', labels)), '');
  const { redirectToHttps: rule } = traefikOptions('a', reader, { httpsPort: null }, [], (name) => name);
  if (rule === undefined) return ['there is no redirect'];
  const [, scheme = '', authority = ''] = /^(\w+):\/\/([^/]*)/.exec(String(row['url'])) ?? [];
  const request = { authority, forwardTarget: '/', method: String(row['method']) } as RequestView;
  const facts = { request, secure: scheme === 'https', entry: 'vhost', requestId: '' } as unknown as RequestFacts;
  const answer = httpsRedirect(rule)(facts);
  const expect = rowOf(row['expect']);
  const location = answer?.fields.find(([name]) => name === 'Location')?.[1];
  return [
    ...same('status', answer?.status, expect['status']),
    ...same('location', location, String(expect['location']).replace(/:(80|443)\//, '/')),
  ];
}

/** A router of its own: no frontend, one without servers, or one with a server. */
async function compareEmpty(row: Row): Promise<readonly string[]> {
  const text = String(row['case']);
  const method = /method (wrr|drr)/.exec(text)?.[1];
  const labels = {
    'traefik.enable': 'true',
    'traefik.frontend.rule': 'Path:/path',
    ...(method === undefined ? {} : { 'traefik.backend.loadbalancer.method': method }),
    ...(text.includes('sticky') ? { 'traefik.backend.loadbalancer.stickiness': 'true' } : {}),
  };
  const backends = new Backends();
  const server = '127.0.0.1:18080';
  const isLive = text.includes('live server');
  if (isLive) await backends.open([server]);
  const apps = text.includes('no frontend') ? [] : [routedApp('/a', labels)];
  const tasks = isLive ? [routedTask('/a', 'a.1', '127.0.0.1', [18_080])] : [];
  const view = createRouteView({ traefik: traefikOf({}) });
  view.rebuild(clusterOf(apps, tasks));
  const listener = bindTcp('127.0.0.1', 0);
  const router = createRouterFunction({
    http: [listener],
    noRoute: 404,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    metrics: createMetrics(),
  });
  try {
    await router.plane.replace(view.table);
    await router.start();
    const raw = 'GET /path HTTP/1.1\r\nHost: h.example\r\nConnection: close\r\n\r\n';
    const { status } = await ask({ port: listener.port, tls: null, clientIp: null, raw });
    return same('status', status, row['expectStatus']);
  } finally {
    await router.stop();
    await backends.close();
  }
}

function entriesOf(name: string, text: string, rule: TraefikRule, priority: number): readonly RouteEntry[] {
  const paths = rule.paths.length === 0 ? [{ kind: 'prefix', text: '/' } as const] : rule.paths;
  const hosts = rule.hosts.length === 0 ? ['*'] : rule.hosts;
  return hosts.flatMap((host) =>
    paths.map((path): RouteEntry => ({
      kind: 'route',
      id: `${name} ${host} ${path.kind} ${path.text}`,
      listener: 'http',
      dialect: 'traefik',
      host,
      path: path.text,
      pathKind: path.kind,
      ignoreCase: false,
      segment: false,
      conditions: rule.conditions,
      weight: priority > 0 ? priority : text.length,
      app: null,
      appId: name,
      portIndex: 0,
      options: name,
      set: name,
      reason: '',
    })),
  );
}

function matcherOf(rules: readonly Row[]): RouteMatcher<string> | string {
  const matcher = new RouteMatcher<string>();
  for (const row of rules) {
    const [name, text] = [String(row['name'] ?? 'rule'), String(row['rule'])];
    const rule = parseTraefikRule(text);
    if (isRejection(rule)) return rule.rejected;
    for (const entry of entriesOf(name, text, rule, Number(row['priority'] ?? 0))) matcher.set(entry, name);
  }
  matcher.compile();
  return matcher;
}

function lookUp(
  matcher: RouteMatcher<string>,
  host: string,
  target: string,
  method: string,
  headers: Row,
): string | null {
  const [path = '/'] = target.split('?');
  const matchPath = canonicalPath(path)?.match ?? path;
  const fields = { get: (name: string): string | null => fieldOf(headers, name) };
  return matcher.lookup(host, matchPath, { method, host, authority: host, matchPath, forwardTarget: target, fields });
}

const fieldOf = (headers: Row, name: string): string | null => {
  const found = Object.entries(headers).find(([key]) => key.toLowerCase() === name);
  return found === undefined ? null : String(found[1]);
};

function compareRule(row: Row): readonly string[] {
  const matcher = matcherOf([row]);
  if (row['error'] === true) return typeof matcher === 'string' ? [] : ['was understood, expected a rejection'];
  if (typeof matcher === 'string') return [`was rejected: ${matcher}`];
  return rowsOf(row['requests'] ?? [], 'requests').flatMap((request) => {
    const url = String(request['url'] ?? '');
    const [, authority = '', target = ''] = /^https?:\/\/([^/?]*)(.*)$/.exec(url) ?? [];
    const host = parseAuthority(authority)?.host ?? '';
    const path = target === '' ? '/' : target.startsWith('?') ? `/${target}` : target;
    const found = lookUp(matcher, host, path, String(request['method'] ?? 'GET'), rowOf(request['headers']));
    return same(url, found !== null, request['match']);
  });
}

/** What the back end is asked for, and the fields that tell it. `matcher`: of the row's prefixes, where it has no rule. */
function compareChange(row: Row, matcher: string): readonly string[] {
  const text = typeof row['rule'] === 'string' ? row['rule'] : `${matcher}:${textsOf(row['prefixes']).join(',')}`;
  const rule = parseTraefikRule(text);
  if (isRejection(rule)) return [rule.rejected];
  const [path, expect] = [String(row['path']), rowOf(row['expect'])];
  const found = matcherOf([{ rule: text }]);
  const isMet = typeof found !== 'string' && lookUp(found, 'h.example', path, 'GET', {}) !== null;
  if (expect['status'] === 404) return same('match', isMet, false);
  const request = { forwardTarget: path, matchPath: canonicalPath(path)?.match ?? path } as RequestView;
  const { target, lines } = pathChanger(rule.changes)(request);
  const fields = ['X-Forwarded-Prefix', 'X-Replaced-Path'].flatMap((name) => {
    const value = new RegExp(`${name}: (.*)\r`).exec(lines)?.[1] ?? null;
    return expect[name] === undefined ? [] : same(name, value, expect[name]);
  });
  return [...same('path', target, expect['rawPath'] ?? expect['path']), ...fields];
}

function compareDomains(row: Row): readonly string[] {
  const domains = domainsOfRule(String(row['rule']));
  if (isRejection(domains)) return rowOf(row['expect'])['error'] === true ? [] : [domains.rejected];
  return same('domains', domains, row['expect']);
}

function comparePriorities(row: Row): readonly string[] {
  const rules = rowsOf(row['rules'], 'rules');
  const matcher = matcherOf(rules);
  if (typeof matcher === 'string') return [matcher];
  const ranks = rules.map((rule) => [rule['name'], Number(rule['priority'] ?? 0) || String(rule['rule']).length]);
  return [
    ...(row['effectivePriority'] === undefined
      ? []
      : same('priorities', Object.fromEntries(ranks), row['effectivePriority'])),
    ...rowsOf(row['requests'], 'requests').flatMap((request) =>
      same(
        String(request['path']),
        lookUp(matcher, String(request['host'] ?? 'any.example'), String(request['path']), 'GET', {}),
        request['expect'],
      ),
    ),
  ];
}
