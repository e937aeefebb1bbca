// Conditions of routes as one function, compiled where a change comes in. Nothing is looked up but what a condition asks for.

import { compileCidrs } from '../../src/runtime/index.ts';
import { hostMatches } from './host-pattern.ts';
import type { PathTest, RouteCondition, RoutedRequest } from './route-condition.ts';

/** Whether a request of the client at this address fulfils all. */
export type Fulfils = (request: RoutedRequest, client: string) => boolean;

/** Null where nothing is asked. */
export function compileConditions(conditions: readonly RouteCondition[] | undefined): Fulfils | null {
  if (conditions === undefined || conditions.length === 0) return null;
  const tests = conditions.map(compileCondition);
  return (request, client) => tests.every((test) => test(request, client));
}

function compileCondition(condition: RouteCondition): Fulfils {
  const test = positive(condition);
  return condition.not === true ? (request, client) => !test(request, client) : test;
}

function positive(condition: RouteCondition): Fulfils {
  switch (condition.on) {
    case 'method': {
      const methods = new Set(condition.methods);
      return ({ method }) => methods.has(method);
    }
    case 'header':
      return headerTest(condition);
    case 'query':
      return queryTest(condition.pairs);
    case 'host':
      return ({ host }) => condition.hosts.some((pattern) => hostMatches(pattern, host));
    case 'authority': {
      const texts = new Set(condition.texts);
      return ({ authority }) => texts.has(authority.toLowerCase());
    }
    case 'path': {
      const paths = condition.paths.map(pathTest);
      return ({ matchPath }) => paths.some((test) => test(matchPath));
    }
    case 'source': {
      const { matcher } = compileCidrs(condition.networks);
      return (_request, client) => client !== '' && matcher.has(client);
    }
  }
}

/** A repeated field is one value with commas here; each of them counts, and the whole. */
function headerTest(condition: Extract<RouteCondition, { on: 'header' }>): Fulfils {
  const { name, values, regex } = condition;
  const found = regex === undefined ? null : new RegExp(regex);
  const accepts = (value: string): boolean => values?.includes(value) === true || found?.test(value) === true;
  return ({ fields }) => {
    const value = fields.get(name);
    if (value === null) return false;
    return accepts(value) || (value.includes(',') && value.split(',').some((one) => accepts(one.trim())));
  };
}

/** Pairs decoded as forms are. */
function queryTest(pairs: readonly { readonly name: string; readonly value: string }[]): Fulfils {
  return ({ forwardTarget }) => {
    const at = forwardTarget.indexOf('?');
    if (at < 0) return false;
    const query = new URLSearchParams(forwardTarget.slice(at + 1));
    return pairs.every(({ name, value }) => query.getAll(name).includes(value));
  };
}

function pathTest({ kind, text, ignoreCase }: PathTest): (path: string) => boolean {
  if (kind === 'regex') {
    const regex = new RegExp(text, ignoreCase === true ? 'i' : '');
    return (path) => regex.test(path);
  }
  const wanted = ignoreCase === true ? text.toLowerCase() : text;
  const folded = (path: string): string => (ignoreCase === true ? path.toLowerCase() : path);
  if (kind === 'exact') return (path) => folded(path) === wanted;
  return kind === 'prefix' ? (path) => folded(path).startsWith(wanted) : (path) => folded(path).endsWith(wanted);
}
