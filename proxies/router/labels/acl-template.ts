// ACL templates of HAProxy: the tests on hosts, paths, sources and methods that people write, as hosts and conditions of routes.

import { compileCidrs } from '../../../src/runtime/index.ts';
import { hostKind, parseHostPattern } from '../host-pattern.ts';
import type { PathTest, RouteCondition } from '../route-condition.ts';
import { safeRegex } from './safe-regex.ts';

export interface AclRouting {
  /** Empty: those of the vhost. */
  readonly hosts: readonly string[];
  readonly conditions: readonly RouteCondition[];
  /** The path is among the conditions, in another way than as a prefix. */
  readonly anyPath: boolean;
}

/** What the template's `{hostname}` and `{path}` stand for. */
export interface AclFacts {
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
}

/** A test under its name; several lines of one name are alternatives of one kind. */
type Test =
  | { readonly kind: 'host'; readonly hosts: readonly string[] }
  | { readonly kind: 'condition'; readonly condition: RouteCondition; readonly ownPath?: boolean }
  /** The template's own: `{path}` as a prefix, the users of the port. */
  | { readonly kind: 'given' };

/** Alternatives. Null: says nothing but what VHOST and PATH say. A text: the line that is not understood. */
export function readAcl(text: string, facts: AclFacts): readonly AclRouting[] | string | null {
  const tests = new Map<string, Test>();
  const used: (readonly string[])[] = [];
  for (const line of text.split(/\n|\\n/).map((one) => one.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const words = wordsOf(line);
    if (words[0] === 'acl' && words.length > 2) {
      const test = readTest(words.slice(2), facts);
      const merged = test === null ? null : merge(tests.get(words[1] ?? ''), test);
      if (merged === null) return line;
      tests.set(words[1] ?? '', merged);
    } else if (words[0] === 'use_backend' && words[1] === '{backend}') {
      const alternatives = readTerms(words.slice(2), tests, facts);
      if (alternatives === null) return line;
      used.push(...alternatives);
    } else if (!/^http-request auth realm "?\{realm\}"? if /.test(words.join(' '))) return line;
  }
  const routings: AclRouting[] = [];
  for (const terms of used.length === 0 ? [[...tests.keys()]] : used) {
    const routing = routingOf(tests, terms, facts);
    if (typeof routing === 'string') return routing;
    routings.push(routing);
  }
  return routings.every((routing) => saysNothing(routing, facts)) ? null : routings;
}

const wordsOf = (line: string): readonly string[] =>
  line
    .replaceAll('{{', '{')
    .replaceAll('}}', '}')
    .match(/"[^"]*"|\S+/g) ?? [];

const saysNothing = ({ hosts, conditions, anyPath }: AclRouting, facts: AclFacts): boolean =>
  conditions.length === 0 && !anyPath && (hosts.length === 0 || hosts.join() === facts.hosts.join());

/** Behind `if`: names between blanks, all of which must hold, and `or` between such lists; a test in braces is given a name. */
function readTerms(
  [condition, ...words]: readonly string[],
  tests: Map<string, Test>,
  facts: AclFacts,
): readonly (readonly string[])[] | null {
  if ((condition !== 'if' && condition !== 'unless') || words.length === 0) return null;
  const alternatives: string[][] = [[]];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const terms = alternatives.at(-1) ?? [];
    if (word === 'or' || word === '||') alternatives.push([]);
    else if (word === '{' || word === '!{') {
      const end = words.indexOf('}', i);
      const test = end < 0 ? null : readTest(words.slice(i + 1, end), facts);
      if (test === null) return null;
      const name = `anonymous ${tests.size}`;
      tests.set(name, test);
      terms.push(word === '{' ? name : `!${name}`);
      i = end;
    } else if (word === '!' && i + 1 < words.length && words[i + 1] !== '{') terms.push(`!${words[++i] ?? ''}`);
    else terms.push(word);
  }
  if (alternatives.some((terms) => terms.length === 0)) return null;
  if (condition === 'if') return alternatives;
  // Not (a and b) is not a, or not b; alternatives behind `unless` are not spoken.
  const [only = []] = alternatives;
  return alternatives.length > 1 ? null : only.map((term) => [term.startsWith('!') ? term.slice(1) : `!${term}`]);
}

function routingOf(tests: ReadonlyMap<string, Test>, terms: readonly string[], facts: AclFacts): AclRouting | string {
  let hosts: readonly string[] = [];
  const conditions: RouteCondition[] = [];
  let tested = 0;
  let anyPath = false;
  for (const term of terms) {
    const isNot = term.startsWith('!');
    const name = isNot ? term.slice(1) : term;
    const test = tests.get(name) ?? templateTest(name, facts);
    if (test === null) return `use_backend {backend} if ${terms.join(' ')}`;
    if (test.kind === 'given') continue;
    if (test.kind === 'condition') {
      conditions.push(isNot ? turned(test.condition) : test.condition);
      anyPath ||= test.ownPath === true;
    } else if (isNot) conditions.push({ on: 'host', hosts: test.hosts, not: true });
    else if (++tested > 1) conditions.push({ on: 'host', hosts: test.hosts });
    else hosts = test.hosts;
  }
  return { hosts, conditions, anyPath };
}

/** ACLs that another template of the port defines. */
function templateTest(name: string, { hosts }: AclFacts): Test | null {
  if (name.startsWith('host_')) return { kind: 'host', hosts };
  return name.startsWith('path_') || name.startsWith('auth_') ? { kind: 'given' } : null;
}

const turned = (condition: RouteCondition): RouteCondition => ({ ...condition, not: condition.not !== true });

function merge(before: Test | undefined, test: Test): Test | null {
  if (before === undefined) return test;
  if (before.kind === 'host' && test.kind === 'host')
    return { kind: 'host', hosts: [...new Set([...before.hosts, ...test.hosts])] };
  if (before.kind !== 'condition' || test.kind !== 'condition') return null;
  const [a, b] = [before.condition, test.condition];
  const ownPath = before.ownPath === true || test.ownPath === true;
  if (a.on === 'path' && b.on === 'path')
    return { kind: 'condition', condition: { on: 'path', paths: [...a.paths, ...b.paths] }, ownPath };
  if (a.on === 'source' && b.on === 'source')
    return { kind: 'condition', condition: { on: 'source', networks: [...a.networks, ...b.networks] } };
  return a.on === 'method' && b.on === 'method'
    ? { kind: 'condition', condition: { on: 'method', methods: [...a.methods, ...b.methods] } }
    : null;
}

/** Ways of comparing: behind the name of what is fetched, or with `-m`. */
type How = '' | 'beg' | 'end' | 'reg' | 'dom' | 'sub' | 'dir';
const hows: Readonly<Record<string, How>> = {
  str: '',
  beg: 'beg',
  end: 'end',
  reg: 'reg',
  dom: 'dom',
  sub: 'sub',
  dir: 'dir',
};

function readTest(words: readonly string[], facts: AclFacts): Test | null {
  const [fetch = '', ...rest] = words;
  if (fetch.startsWith('http_auth(')) return { kind: 'given' };
  const ignoreCase = rest.includes('-i');
  const match = rest.indexOf('-m');
  const named = match < 0 ? undefined : hows[rest[match + 1] ?? ''];
  if (match >= 0 && named === undefined) return null;
  const values = rest.filter(
    (word, i) => word !== '-i' && word !== '--' && (match < 0 || (i !== match && i !== match + 1)),
  );
  if (values.some((value) => value.startsWith('-')) || values.length === 0) return null;
  const host =
    /^(?:(?:req\.)?hdr(?:_(end|beg|reg|dom|sub))?\(host\)|(?:ssl_fc_sni|req_ssl_sni|req\.ssl_sni)(?:_(end|beg|reg|dom|sub))?)(?:,lower)?$/i.exec(
      fetch,
    );
  if (host !== null) return hostsOf(named ?? hows[host[1] ?? host[2] ?? 'str'] ?? '', values, facts);
  const path = /^path(?:_(beg|end|reg|dir|sub))?$/.exec(fetch);
  if (path !== null) return pathsOf(named ?? hows[path[1] ?? 'str'] ?? '', values, ignoreCase, facts);
  if (fetch === 'src' && compileCidrs(values).problems.length === 0)
    return { kind: 'condition', condition: { on: 'source', networks: values } };
  return fetch === 'method' ? { kind: 'condition', condition: { on: 'method', methods: values } } : null;
}

const placeholder = '{hostname}';

function hostsOf(how: How, values: readonly string[], facts: AclFacts): Test | null {
  const hosts: string[] = [];
  for (const value of values) {
    const isOwn = value.includes(placeholder);
    // An expression of the label within one of the template would be anything.
    const names = facts.hosts.filter((host) => hostKind(host) !== 'regex' || value === placeholder);
    if (isOwn && names.length < facts.hosts.length) return null;
    for (const name of isOwn ? names : ['']) {
      if (how === '' && value === placeholder) hosts.push(name);
      else {
        const pattern = parseHostPattern(patternText(how, value.replaceAll(placeholder, name.replace(/^\*\./, ''))));
        if (typeof pattern !== 'string') return null;
        hosts.push(pattern);
      }
    }
  }
  return { kind: 'host', hosts: [...new Set(hosts)] };
}

const literalOf = (value: string): string => value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** HAProxy's way of comparing as a pattern of ours. */
function patternText(how: How, value: string): string {
  const literal = literalOf(value);
  if (how === 'end') return value.startsWith('.') ? `*${value}` : `~.*${literal}`;
  if (how === 'beg') return `~${literal}.*`;
  if (how === 'sub') return `~.*${literal}.*`;
  if (how === 'dom' || how === 'dir') return `~(?:.*\\.)?${literal.replace(/^\\\./, '')}(?:\\..*)?`;
  if (how !== 'reg') return value;
  const opened = value.startsWith('^') ? value.slice(1) : `.*${value}`;
  return `~${opened.endsWith('$') ? opened.slice(0, -1) : `${opened}.*`}`;
}

function pathsOf(how: How, values: readonly string[], ignoreCase: boolean, facts: AclFacts): Test | null {
  const isOwn = values.includes('{path}');
  if (isOwn && values.length > 1) return null;
  // Without PATH it is the text None, which no path is.
  if (isOwn && ((how === 'beg' && !ignoreCase) || facts.paths.length === 0)) return { kind: 'given' };
  const paths: PathTest[] = [];
  for (const value of isOwn ? facts.paths : values) {
    const test = value.includes('{path}') ? null : pathTest(how, value);
    if (test === null) return null;
    paths.push(ignoreCase ? { ...test, ignoreCase } : test);
  }
  return { kind: 'condition', condition: { on: 'path', paths }, ...(isOwn ? { ownPath: true } : {}) };
}

function pathTest(how: How, value: string): PathTest | null {
  if (how === '') return { kind: 'exact', text: value };
  if (how === 'beg') return { kind: 'prefix', text: value };
  if (how === 'end') return { kind: 'suffix', text: value };
  if (how === 'sub') return { kind: 'regex', text: literalOf(value) };
  if (how === 'reg') {
    const text = safeRegex(value);
    return text === null ? null : { kind: 'regex', text };
  }
  return { kind: 'regex', text: `/${literalOf(value.replace(/^\/|\/$/g, ''))}(?:/|$)` };
}
