// Changes of the path on its way to the backend: prefixes off and on, the whole replaced (specs/l7.md §1.9, §2.5).

import type { RequestView } from '../http1/index.ts';
import { goReplacement } from './go-replacement.ts';
import type { PathChange } from './options-record.ts';
import { splitTarget } from './request-facts.ts';

export interface ChangedPath {
  /** Path and query. */
  readonly target: string;
  /** Further lines for the backend, each with its CRLF: what the path was. */
  readonly lines: string;
}

/** A path, and what it lost or was. */
interface Step {
  readonly path: string;
  readonly prefix?: string;
  readonly replaced?: string;
}

type Change = (path: string, canonical: string) => Step | null;

export function pathChanger(changes: readonly PathChange[]): (request: RequestView) => ChangedPath {
  const steps = changes.map(compile);
  return ({ forwardTarget, matchPath }) => {
    const [original, query] = splitTarget(forwardTarget);
    let path = original;
    let canonical = matchPath;
    let prefix = '';
    let replaced = '';
    for (const step of steps) {
      const result = step(path, canonical);
      if (result === null) continue;
      path = canonical = result.path;
      prefix += result.prefix ?? '';
      replaced = result.replaced ?? replaced;
    }
    const prefixLine = prefix === '' ? '' : `X-Forwarded-Prefix: ${prefix}\r\n`;
    const replacedLine = replaced === '' ? '' : `X-Replaced-Path: ${replaced}\r\n`;
    return { target: path + query, lines: prefixLine + replacedLine };
  };
}

function compile(change: PathChange): Change {
  switch (change.change) {
    case 'strip':
      return stripper(change);
    case 'strip-regex': {
      const regexes = change.regexes.map((source) => new RegExp(source));
      return (path) => {
        const found = regexes.map((regex) => regex.exec(path)).find((match) => match?.index === 0 && match[0] !== '');
        return found ? { path: withSlash(path.slice(found[0].length)), prefix: found[0] } : null;
      };
    }
    case 'add':
      return (path) => ({ path: withSlash(change.prefix.replace(/\/$/, '') + path) });
    case 'replace':
      return (path) => ({ path: withSlash(change.path), ...(change.reports ? { replaced: path } : {}) });
    case 'replace-regex': {
      const regex = new RegExp(change.regex, change.ignoreCase ? 'gi' : 'g');
      const replacement = goReplacement(change.replacement);
      return (path) => {
        const result = withSlash(path.replace(regex, replacement));
        return result === path ? null : { path: result, ...(change.reports ? { replaced: path } : {}) };
      };
    }
  }
}

function stripper(change: PathChange & { readonly change: 'strip' }): Change {
  const fold = (text: string): string => (change.ignoreCase ? text.toLowerCase() : text);
  const prefixes = change.prefixes.filter((prefix) => prefix !== '').sort((a, b) => b.length - a.length);
  const matching = (path: string): string | undefined =>
    prefixes.find((prefix) => {
      if (!fold(path).startsWith(fold(prefix))) return false;
      return (
        !change.segment ||
        prefix.endsWith('/') ||
        path.length === prefix.length ||
        path.charCodeAt(prefix.length) === 0x2f
      );
    });
  return (path, canonical) => {
    // A path that matches only once its escapes are undone goes on in its canonical form, which names the same.
    const text = matching(path) === undefined ? canonical : path;
    const prefix = matching(text);
    if (prefix === undefined) return null;
    return { path: withSlash(text.slice(prefix.length)), ...(change.reports ? { prefix } : {}) };
  };
}

const withSlash = (path: string): string => (path.startsWith('/') ? path : `/${path}`);
