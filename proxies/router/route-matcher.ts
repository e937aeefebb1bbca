// Routes compiled for look-up: exact names in a map, wildcards by suffix, expressions last; under each a list in the order of precedence,
// so that the first entry that fits is the route. Compiled where a change comes in, host by host.

import { compileConditions, type Fulfils } from './compile-conditions.ts';
import { hostKind, hostMatches, hostRegex } from './host-pattern.ts';
import { compareRoutes } from './precedence.ts';
import type { RoutedRequest } from './route-condition.ts';
import type { RouteEntry } from './route-record.ts';

/** A place in a list: the route, and what a request must fulfil beyond the list's host. */
interface Candidate<T> {
  readonly route: RouteEntry;
  readonly target: T;
  /** '' where any path fits, and where `pathRegex` or `exact` decides. */
  readonly prefix: string;
  readonly exact: string | null;
  readonly pathRegex: RegExp | null;
  readonly hostRegex: RegExp | null;
  readonly fulfils: Fulfils | null;
}

type Candidates<T> = readonly Candidate<T>[];

/** What is to become of a host; null: nothing is left of it. */
interface CompiledHost<T> {
  readonly lists: Map<string, Candidates<T>>;
  readonly name: string;
  readonly list: Candidates<T> | null;
}

/** `T` is what the caller wants found: its own compiled form of a route. */
export class RouteMatcher<T> {
  readonly #tables = { http: new HostTable<T>(), https: new HostTable<T>() } as const;
  readonly #listeners = new Map<string, 'http' | 'https'>();

  set(route: RouteEntry, target: T): void {
    this.#listeners.set(route.id, route.listener);
    this.#tables[route.listener].set(route, target);
  }

  remove(id: string): void {
    const listener = this.#listeners.get(id);
    if (listener === undefined) return;
    this.#listeners.delete(id);
    this.#tables[listener].remove(id);
  }

  clear(): void {
    for (const table of Object.values(this.#tables)) table.clear();
    this.#listeners.clear();
  }

  /** Makes look-ups follow what was set and removed. Costs the hosts that changed; a wildcard or expression costs those it covers. */
  compile(): void {
    for (const _ of this.compiling());
  }

  /** The same in steps, of which look-ups notice the last. What is set or removed between them counts. */
  *compiling(): Generator<void> {
    for (const table of Object.values(this.#tables)) yield* table.compiling();
  }

  /**
   * The route of a canonical host and path; null where none matches. Routes with conditions are met by a `request` alone, those on networks by
   * the `client`'s address. No allocation but for a host with wildcards and for what conditions need.
   */
  lookup(
    host: string,
    path: string,
    request: RoutedRequest | null = null,
    client = '',
    listener: 'http' | 'https' = 'http',
  ): T | null {
    return this.#tables[listener].lookup(host, path, request, client);
  }
}

class HostTable<T> {
  readonly #routes = new Map<string, { readonly route: RouteEntry; readonly target: T }>();
  readonly #idsOfHost = new Map<string, Set<string>>();
  /** Wildcards and expressions among the hosts. */
  readonly #patterns = new Set<string>();
  readonly #exact = new Map<string, Candidates<T>>();
  /** By suffix without `*.`. */
  readonly #wildcard = new Map<string, Candidates<T>>();
  /** For hosts that no name and no wildcard covers. */
  #others: Candidates<T> = [];
  #changes = 0;
  /** Hosts to compile anew at the next `compile`. */
  readonly #stale = new Set<string>();

  set(route: RouteEntry, target: T): void {
    this.#changes++;
    this.#routes.set(route.id, { route, target });
    const ids = this.#idsOfHost.get(route.host);
    if (ids === undefined) {
      this.#idsOfHost.set(route.host, new Set([route.id]));
      if (hostKind(route.host) !== 'exact') this.#patterns.add(route.host);
    } else ids.add(route.id);
    this.#stale.add(route.host);
  }

  remove(id: string): void {
    const host = this.#routes.get(id)?.route.host;
    if (host === undefined) return;
    this.#changes++;
    this.#routes.delete(id);
    const ids = this.#idsOfHost.get(host);
    if (ids?.delete(id) === true && ids.size === 0) {
      this.#idsOfHost.delete(host);
      this.#patterns.delete(host);
    }
    this.#stale.add(host);
  }

  clear(): void {
    this.#changes++;
    for (const host of this.#idsOfHost.keys()) this.#stale.add(host);
    this.#routes.clear();
    this.#idsOfHost.clear();
    this.#patterns.clear();
  }

  *compiling(): Generator<void> {
    if (this.#stale.size === 0) return;
    const changes = this.#changes;
    const patterns = [...this.#stale].filter((host) => hostKind(host) !== 'exact');
    const hosts = new Set(this.#stale);
    if (patterns.length > 0)
      for (const host of this.#idsOfHost.keys())
        if (patterns.some((pattern) => concerns(pattern, host))) hosts.add(host);
    const shared = [...this.#patterns];
    const compiled: CompiledHost<T>[] = [];
    for (const host of hosts) {
      const one = this.#compileHost(host, shared);
      if (one !== null) compiled.push(one);
      yield;
    }
    if (changes !== this.#changes) {
      // Somebody else may have compiled what changed meanwhile.
      for (const host of hosts) this.#stale.add(host);
      yield* this.compiling();
      return;
    }
    for (const { lists, name, list } of compiled)
      if (list === null) lists.delete(name);
      else lists.set(name, list);
    if (patterns.length > 0)
      this.#others = this.#listFor(
        '',
        shared.filter((pattern) => !pattern.startsWith('*.')),
      );
    this.#stale.clear();
  }

  lookup(host: string, path: string, request: RoutedRequest | null, client: string): T | null {
    const candidates = this.#exact.get(host) ?? this.#covering(host);
    for (const candidate of candidates) {
      const { prefix, target, route, fulfils } = candidate;
      if (prefix !== '' && !pathFits(route, prefix, path)) continue;
      if (candidate.hostRegex !== null && (host === '' || !candidate.hostRegex.test(host))) continue;
      if (candidate.exact !== null && candidate.exact !== (route.ignoreCase ? path.toLowerCase() : path)) continue;
      if (candidate.pathRegex !== null && !candidate.pathRegex.test(path)) continue;
      if (fulfils !== null && (request === null || !fulfils(request, client))) continue;
      return target;
    }
    return null;
  }

  #covering(host: string): Candidates<T> {
    if (this.#wildcard.size > 0) {
      for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        const candidates = this.#wildcard.get(host.slice(dot + 1));
        if (candidates !== undefined) return candidates;
      }
    }
    return this.#others;
  }

  /** Null for what has no list of its own. */
  #compileHost(host: string, patterns: readonly string[]): CompiledHost<T> | null {
    const kind = hostKind(host);
    if (kind === 'regex' || kind === 'any') return null;
    const lists = kind === 'exact' ? this.#exact : this.#wildcard;
    const name = kind === 'exact' ? host : host.slice(2);
    if (!this.#idsOfHost.has(host)) return { lists, name, list: null };
    const covering = patterns.filter((pattern) => pattern !== host && concerns(pattern, host));
    return { lists, name, list: this.#listFor(kind === 'exact' ? host : '', [host, ...covering]) };
  }

  /** The routes of these patterns in order. `host`: the one name they are for, by which expressions are decided now; '' for many. */
  #listFor(host: string, patterns: readonly string[]): Candidates<T> {
    const list: Candidate<T>[] = [];
    for (const pattern of patterns) {
      const isOpen = hostKind(pattern) === 'regex' && host === '';
      if (host !== '' && !hostMatches(pattern, host)) continue;
      for (const id of this.#idsOfHost.get(pattern) ?? []) {
        const held = this.#routes.get(id);
        if (held !== undefined) list.push(candidateOf(held.route, held.target, isOpen));
      }
    }
    // As long as it is: what was pushed to has room for sixteen more, and most hosts have one route.
    return list.sort((a, b) => compareRoutes(a.route, b.route)).slice();
  }
}

function candidateOf<T>(route: RouteEntry, target: T, isOpen: boolean): Candidate<T> {
  const path = route.ignoreCase && route.pathKind !== 'regex' ? route.path.toLowerCase() : route.path;
  const isPrefix = route.pathKind === undefined || route.pathKind === 'prefix';
  return {
    route,
    target,
    prefix: isPrefix && path !== '/' ? path : '',
    exact: route.pathKind === 'exact' ? path : null,
    pathRegex: route.pathKind === 'regex' ? new RegExp(path, route.ignoreCase ? 'i' : '') : null,
    hostRegex: isOpen ? hostRegex(route.host) : null,
    fulfils: compileConditions(route.conditions),
  };
}

/** Whether a route's path covers this one, whatever else it asks for. */
export function coversPath(route: RouteEntry, path: string): boolean {
  const { prefix, exact, pathRegex } = candidateOf(route, null, false);
  if (exact !== null) return exact === (route.ignoreCase ? path.toLowerCase() : path);
  return pathRegex === null ? prefix === '' || pathFits(route, prefix, path) : pathRegex.test(path);
}

/** Whether `path` begins with the route's prefix, as the route wants it compared. */
function pathFits(route: Pick<RouteEntry, 'ignoreCase' | 'segment'>, prefix: string, path: string): boolean {
  const text = route.ignoreCase ? path.toLowerCase() : path;
  if (!text.startsWith(prefix)) return false;
  return (
    !route.segment || prefix.endsWith('/') || text.length === prefix.length || text.charCodeAt(prefix.length) === 0x2f
  );
}

/** Whether a request for `host` (a name, or one of a wildcard's) could meet `pattern`. */
function concerns(pattern: string, host: string): boolean {
  const kind = hostKind(pattern);
  if (kind === 'any' || kind === 'regex') return true;
  if (kind === 'exact') return pattern === host;
  return host.endsWith(pattern.slice(1));
}
