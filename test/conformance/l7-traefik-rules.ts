// Traefik's rule language and what its rules do to paths, by the functions that the daemon uses.

import { RouteMatcher } from '../../proxies/router/route-matcher.ts';
import type { RouteEntry } from '../../proxies/router/index.ts';
import { isRejection } from '../../proxies/router/label-values.ts';
import { stickyCookieName } from '../../proxies/router/labels/traefik-names.ts';
import { domainsOfRule, parseTraefikRule, type TraefikRule } from '../../proxies/router/labels/traefik-rule.ts';
import { canonicalPath, parseAuthority, type RequestView } from '../../proxies/http1/index.ts';
import { pathChanger } from '../../proxies/router/path-changes.ts';
import { judge, rowOf, rowsOf, same, textsOf, type Report, type Row } from './l7-outcome.ts';

type Compare = (row: Row) => readonly string[];

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
        `rules ${key}`,
      );
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
