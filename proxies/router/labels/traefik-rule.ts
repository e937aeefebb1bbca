// Rules of Traefik 1.7 (`Host:a,b;PathPrefix:/x`) as hosts, paths, conditions and changes of the path (specs/l7.md §2.5). Pure.

import { canonicalPath } from '../../http1/index.ts';
import { parseHostPattern } from '../host-pattern.ts';
import type { ValueRejection } from '../label-values.ts';
import type { PathChange } from '../options-record.ts';
import type { PathTest, RouteCondition } from '../route-condition.ts';
import { anchored, safeRegex, templateRegex } from './safe-regex.ts';

export interface RulePath {
  readonly kind: 'prefix' | 'exact' | 'regex';
  /** A canonical path, or the source of an anchored expression. */
  readonly text: string;
}

export interface TraefikRule {
  /** Patterns as in `RouteEntry.host`, alternatives; empty: any. */
  readonly hosts: readonly string[];
  /** Alternatives; empty: any. */
  readonly paths: readonly RulePath[];
  readonly conditions: readonly RouteCondition[];
  /** In the order in which Traefik does them: strip, add, replace. */
  readonly changes: readonly PathChange[];
}

interface Draft {
  hosts: readonly string[] | null;
  paths: readonly RulePath[] | null;
  readonly conditions: RouteCondition[];
  strip: PathChange | null;
  add: PathChange | null;
  replace: PathChange | null;
}

export function parseTraefikRule(text: string): TraefikRule | ValueRejection {
  const draft: Draft = { hosts: null, paths: null, conditions: [], strip: null, add: null, replace: null };
  for (const expression of text.split(';')) {
    if (expression.trim() === '') continue;
    const colon = expression.indexOf(':');
    const word = colon < 0 ? expression.trim() : expression.slice(0, colon).trim();
    const problem = colon < 0 ? 'has no value' : readMatcher(word, expression.slice(colon + 1), draft);
    if (problem !== null)
      return { rejected: `"${expression.trim()}" ${problem}`, hint: 'Matcher:value,value;Matcher2:value' };
  }
  const isEmpty = draft.hosts === null && draft.paths === null && draft.conditions.length === 0;
  if (isEmpty && draft.add === null && !/^\s*Replace/.test(text))
    return { rejected: `"${text}" matches nothing`, hint: 'Host:shop.example' };
  const { hosts, paths, conditions } = draft;
  const changes = [draft.strip, draft.add, draft.replace].filter((change) => change !== null);
  return { hosts: hosts ?? [], paths: paths ?? [], conditions, changes };
}

/** Hosts that `Host` names, for certificates; a rejection where the rule is none. */
export function domainsOfRule(text: string): readonly string[] | ValueRejection {
  const rule = parseTraefikRule(text);
  return 'rejected' in rule ? rule : rule.hosts.filter((host) => !/[*~]/.test(host));
}

/** Null where it was understood, else what is wrong. */
function readMatcher(word: string, value: string, draft: Draft): string | null {
  const items = value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  if (items.length === 0) return 'has no value';
  switch (word) {
    case 'Host':
      return addHosts(items.map(parseHostPattern), draft);
    case 'HostRegexp':
      return addHosts(items.map(hostExpression), draft);
    case 'Path':
    case 'PathStrip':
    case 'PathStripRegex':
      return addPaths(items, 'exact', word, draft);
    case 'PathPrefix':
    case 'PathPrefixStrip':
    case 'PathPrefixStripRegex':
      return addPaths(items, 'prefix', word, draft);
    case 'Method':
      draft.conditions.push({ on: 'method', methods: items.map((item) => item.toUpperCase()) });
      return null;
    case 'Headers':
    case 'HeadersRegexp':
      return addHeaders(items, word === 'HeadersRegexp', draft);
    case 'Query':
      return addQuery(items, draft);
    default:
      return addChange(word, value.trim(), draft);
  }
}

function addChange(word: string, value: string, draft: Draft): string | null {
  // Of several the last one counts.
  const last = value.split(',').at(-1)?.trim() ?? '';
  if (word === 'AddPrefix') draft.add = { change: 'add', prefix: last };
  else if (word === 'ReplacePath') draft.replace = { change: 'replace', path: last, reports: true };
  else if (word === 'ReplacePathRegex') {
    const [source = '', replacement = ''] = value.split(/\s+/);
    const regex = safeRegex(source);
    // As measured an expression that is none leaves the path alone.
    if (regex !== null)
      draft.replace = { change: 'replace-regex', regex, replacement, ignoreCase: false, reports: true };
  } else return 'is no matcher';
  return null;
}

function addHosts(parsed: readonly (string | { readonly rejected: string })[], draft: Draft): string | null {
  const hosts: string[] = [];
  for (const host of parsed) {
    if (typeof host !== 'string') return host.rejected;
    hosts.push(host);
  }
  if (draft.hosts === null) draft.hosts = hosts;
  else draft.conditions.push({ on: 'host', hosts });
  return null;
}

function hostExpression(item: string): string | { readonly rejected: string } {
  const source = templateRegex(item, '[^.]+');
  return source === null ? { rejected: 'is no expression' } : `~${source}`;
}

function addPaths(items: readonly string[], kind: 'exact' | 'prefix', word: string, draft: Draft): string | null {
  const paths: RulePath[] = [];
  for (const item of items) {
    const path = rulePath(item, kind);
    if (path === null) return 'is no expression';
    paths.push(path);
  }
  if (word.endsWith('Strip')) draft.strip = stripOf(items);
  if (word.endsWith('StripRegex')) draft.strip = stripRegexOf(items, kind === 'exact');
  if (draft.paths === null) draft.paths = paths;
  else draft.conditions.push({ on: 'path', paths: paths.map(testOf) });
  return null;
}

const testOf = ({ kind, text }: RulePath): PathTest => ({ kind, text });

function rulePath(item: string, kind: 'exact' | 'prefix'): RulePath | null {
  if (!item.includes('{')) return { kind, text: canonicalPath(item)?.match ?? item };
  const source = templateRegex(item, '[^/]+');
  return source === null ? null : { kind: 'regex', text: anchored(source, kind === 'exact') };
}

const longestFirst = (items: readonly string[]): readonly string[] => [...items].sort((a, b) => b.length - a.length);

const stripOf = (items: readonly string[]): PathChange => ({
  change: 'strip',
  prefixes: longestFirst(items),
  segment: false,
  ignoreCase: false,
  reports: true,
});

function stripRegexOf(items: readonly string[], isWhole: boolean): PathChange {
  const regexes = longestFirst(items).flatMap((item) => {
    const source = templateRegex(item, '[^/]+');
    return source === null ? [] : [anchored(source, isWhole)];
  });
  return { change: 'strip-regex', regexes };
}

function addHeaders(items: readonly string[], isRegex: boolean, draft: Draft): string | null {
  if (items.length % 2 !== 0) return 'needs pairs of name and value';
  for (let i = 0; i < items.length; i += 2) {
    const [name = '', value = ''] = [items[i], items[i + 1]];
    const regex = isRegex ? safeRegex(value) : null;
    if (isRegex && regex === null) return 'is no expression';
    draft.conditions.push({
      on: 'header',
      name: name.toLowerCase(),
      ...(regex === null ? { values: [value] } : { regex }),
    });
  }
  return null;
}

function addQuery(items: readonly string[], draft: Draft): string | null {
  const pairs: { name: string; value: string }[] = [];
  for (const item of items) {
    const at = item.indexOf('=');
    if (at <= 0) return 'needs name=value';
    pairs.push({ name: item.slice(0, at), value: item.slice(at + 1) });
  }
  draft.conditions.push({ on: 'query', pairs });
  return null;
}
