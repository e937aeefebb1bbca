// ACL templates of HAProxy: the tests on hosts, paths, sources and methods that people write, as hosts and conditions of a route.

import { parseHostPattern } from '../host-pattern.ts';
import type { PathTest, RouteCondition } from '../route-condition.ts';

export interface AclRouting {
  /** Empty: those of the vhost. */
  readonly hosts: readonly string[];
  /** Whether the hosts of the vhost belong to it as well. */
  readonly andVhost: boolean;
  readonly conditions: readonly RouteCondition[];
}

/** A test under its name; several lines of one name are alternatives of one kind. */
type Test =
  | { readonly kind: 'host'; readonly hosts: readonly string[]; readonly vhost: boolean }
  | { readonly kind: 'condition'; readonly condition: RouteCondition }
  /** The template's own: `{path}`, the users of the port. */
  | { readonly kind: 'given' };

/** Null: says nothing but what VHOST and PATH say. A text: the line that is not understood. */
export function readAcl(text: string): AclRouting | string | null {
  const tests = new Map<string, Test>();
  let used: readonly string[] | null = null;
  for (const line of text.split(/\n|\\n/).map((one) => one.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const words =
      line
        .replaceAll('{{', '{')
        .replaceAll('}}', '}')
        .match(/"[^"]*"|\S+/g) ?? [];
    if (words[0] === 'acl' && words.length > 2) {
      const test = readTest(words.slice(2));
      const merged = test === null ? null : merge(tests.get(words[1] ?? ''), test);
      if (merged === null) return line;
      tests.set(words[1] ?? '', merged);
    } else if (words[0] === 'use_backend' && words[1] === '{backend}' && used === null) {
      const terms = words[2] === 'if' ? readTerms(words.slice(3), tests) : null;
      if (terms === null) return line;
      used = terms;
    } else if (!/^http-request auth realm "?\{realm\}"? if /.test(words.join(' '))) return line;
  }
  return routingOf(tests, used ?? [...tests.keys()]);
}

/** Names between blanks, all of which must hold; a test in braces is given a name. Null: alternatives, which are not spoken. */
function readTerms(words: readonly string[], tests: Map<string, Test>): readonly string[] | null {
  const terms: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === 'or' || word === '||') return null;
    if (word === '{') {
      const end = words.indexOf('}', i);
      const test = end < 0 ? null : readTest(words.slice(i + 1, end));
      if (test === null) return null;
      const name = `anonymous ${i}`;
      tests.set(name, test);
      terms.push(name);
      i = end;
    } else terms.push(word);
  }
  return terms;
}

function routingOf(tests: ReadonlyMap<string, Test>, terms: readonly string[]): AclRouting | string | null {
  const hosts: string[] = [];
  const conditions: RouteCondition[] = [];
  let andVhost = false;
  let tested = 0;
  for (const term of terms) {
    const isNot = term.startsWith('!');
    const name = isNot ? term.slice(1) : term;
    const test = tests.get(name) ?? templateTest(name);
    if (test === null) return `use_backend {backend} if ${terms.join(' ')}`;
    if (test.kind === 'given') continue;
    if (test.kind === 'condition') conditions.push(isNot ? turned(test.condition) : test.condition);
    else if (isNot) conditions.push({ on: 'host', hosts: test.hosts, not: true });
    else if (++tested > 1) conditions.push({ on: 'host', hosts: test.hosts });
    else {
      hosts.push(...test.hosts);
      andVhost = test.vhost;
    }
  }
  return hosts.length === 0 && conditions.length === 0 ? null : { hosts, andVhost, conditions };
}

/** ACLs that another template of the port defines. */
function templateTest(name: string): Test | null {
  if (name.startsWith('host_')) return { kind: 'host', hosts: [], vhost: true };
  return name.startsWith('path_') || name.startsWith('auth_') ? { kind: 'given' } : null;
}

const turned = (condition: RouteCondition): RouteCondition => ({ ...condition, not: condition.not !== true });

function merge(before: Test | undefined, test: Test): Test | null {
  if (before === undefined) return test;
  if (before.kind === 'host' && test.kind === 'host')
    return { kind: 'host', hosts: [...before.hosts, ...test.hosts], vhost: before.vhost || test.vhost };
  if (before.kind !== 'condition' || test.kind !== 'condition') return null;
  const [a, b] = [before.condition, test.condition];
  if (a.on === 'path' && b.on === 'path')
    return { kind: 'condition', condition: { on: 'path', paths: [...a.paths, ...b.paths] } };
  if (a.on === 'source' && b.on === 'source')
    return { kind: 'condition', condition: { on: 'source', networks: [...a.networks, ...b.networks] } };
  return a.on === 'method' && b.on === 'method'
    ? { kind: 'condition', condition: { on: 'method', methods: [...a.methods, ...b.methods] } }
    : null;
}

const pathKinds: Readonly<Record<string, PathTest['kind']>> = {
  path: 'exact',
  path_beg: 'prefix',
  path_dir: 'prefix',
  path_end: 'suffix',
  path_reg: 'regex',
};

function readTest(words: readonly string[]): Test | null {
  const [fetch = '', ...rest] = words;
  const ignoreCase = rest.includes('-i');
  const values = rest.filter((word) => word !== '-i' && word !== '--' && word !== '-m' && word !== 'str');
  if (values.some((value) => value.startsWith('-')) || values.length === 0) return null;
  if (fetch.startsWith('http_auth(')) return { kind: 'given' };
  const hostTest = /^(?:hdr(_end|_beg|_reg|_dom)?\(host\)|(?:ssl_fc_sni|req_ssl_sni|req\.ssl_sni)(_end|_reg)?)$/i.exec(
    fetch,
  );
  if (hostTest !== null) return hostsOf(hostTest[1] ?? hostTest[2] ?? '', values);
  const pathKind = pathKinds[fetch];
  if (pathKind !== undefined) {
    if (values.every((value) => value === '{path}')) return { kind: 'given' };
    return pathsOf(fetch, pathKind, values, ignoreCase);
  }
  if (fetch === 'src') return { kind: 'condition', condition: { on: 'source', networks: values } };
  return fetch === 'method' ? { kind: 'condition', condition: { on: 'method', methods: values } } : null;
}

function hostsOf(how: string, values: readonly string[]): Test | null {
  const hosts: string[] = [];
  let vhost = false;
  for (const value of values) {
    if (value === '{hostname}' && how === '') {
      vhost = true;
      continue;
    }
    const pattern = parseHostPattern(patternText(how, value.replace('{hostname}', '')));
    if (typeof pattern !== 'string') return null;
    hosts.push(pattern);
  }
  return { kind: 'host', hosts, vhost };
}

/** HAProxy's way of comparing as a pattern of ours. */
function patternText(how: string, value: string): string {
  const literal = value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  if (how === '_end') return value.startsWith('.') ? `*${value}` : `~.*${literal}`;
  if (how === '_beg') return `~${literal}.*`;
  if (how === '_dom') return `~(?:.*\\.)?${literal.replace(/^\\\./, '')}(?:\\..*)?`;
  if (how !== '_reg') return value;
  const opened = value.startsWith('^') ? value.slice(1) : `.*${value}`;
  return `~${opened.endsWith('$') ? opened.slice(0, -1) : `${opened}.*`}`;
}

function pathsOf(fetch: string, kind: PathTest['kind'], values: readonly string[], ignoreCase: boolean): Test | null {
  const paths: PathTest[] = [];
  const insensitive = ignoreCase ? { ignoreCase: true } : {};
  for (const value of values) {
    if (value.includes('{')) return null;
    if (fetch === 'path_dir') {
      const literal = value.replace(/^\/|\/$/g, '').replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      paths.push({ kind: 'regex', text: `/${literal}(?:/|$)`, ...insensitive });
    } else paths.push({ kind, text: value, ...insensitive });
  }
  return { kind: 'condition', condition: { on: 'path', paths } };
}
