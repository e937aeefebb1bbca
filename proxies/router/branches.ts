// Several apps on one route: who is asked for by field or cookie, whose session it is, whose share of the clients, else by weight
// (specs/l7.md §7.2). Each app's share stays what it is however many tasks it has. Compiled with the route; routes of one app have none.

import type { Exchange, FieldList } from '../http1/index.ts';
import { hasCookie, hasField } from './named-value.ts';
import type { CompiledRoute } from './route-plane.ts';
import type { Canary, RouteBranch } from './traffic-record.ts';

/** Hashes to 32 bits, the same for each request of a client. */
interface ClientHasher {
  hashOf(key: typeof byClient, exchange: Exchange): number;
}

const byClient = { by: 'client' } as const;

interface Branch {
  readonly route: CompiledRoute;
  readonly canary: Canary;
  /** 0 where it has none. */
  readonly weight: number;
  /** Of smooth weighted round robin. */
  credit: number;
}

export class Branches {
  readonly #canaries: readonly Branch[];
  readonly #weighted: readonly Branch[];
  readonly #all: readonly CompiledRoute[];

  /** `weight`: of the route itself, among those of its branches. */
  constructor(
    route: CompiledRoute,
    weight: number,
    branches: readonly { readonly route: CompiledRoute; readonly branch: RouteBranch }[],
  ) {
    const compiled = branches.map(({ route, branch: { share } }) => ({
      route,
      canary: share.canary ?? {},
      weight: share.canary === undefined ? (share.weight ?? 0) : 0,
      credit: 0,
    }));
    this.#canaries = compiled.filter((_, i) => branches[i]?.branch.share.canary !== undefined);
    const weighted = compiled.filter((branch) => branch.weight > 0);
    this.#weighted = weighted.length === 0 ? [] : [{ route, canary: {}, weight, credit: 0 }, ...weighted];
    this.#all = [route, ...compiled.map((branch) => branch.route)];
  }

  choose(fields: FieldList, hasher: ClientHasher, exchange: Exchange): CompiledRoute {
    const main = this.#all[0] as CompiledRoute;
    for (const { route, canary } of this.#canaries) if (isAskedFor(canary, fields) && isServed(route)) return route;
    for (const route of this.#all) if ((route.service.sticky?.backendOf(fields) ?? null) !== null) return route;
    return this.#byClient(hasher, exchange) ?? (this.#weighted.length === 0 ? main : this.#byWeight(main));
  }

  #byClient(hasher: ClientHasher, exchange: Exchange): CompiledRoute | null {
    let percent = -1;
    let upTo = 0;
    for (const { route, canary } of this.#canaries) {
      if (canary.percent === undefined) continue;
      if (percent < 0) percent = (hasher.hashOf(byClient, exchange) / 0x1_0000_0000) * 100;
      upTo += canary.percent;
      if (percent < upTo) return isServed(route) ? route : null;
    }
    return null;
  }

  /** Smooth weighted round robin over those that have somebody to serve. */
  #byWeight(main: CompiledRoute): CompiledRoute {
    let total = 0;
    let best: Branch | null = null;
    for (const branch of this.#weighted) {
      if (branch.weight === 0 || !isServed(branch.route)) continue;
      branch.credit += branch.weight;
      total += branch.weight;
      if (best === null || branch.credit > best.credit) best = branch;
    }
    if (best === null) return main;
    best.credit -= total;
    return best.route;
  }
}

const isServed = ({ service }: CompiledRoute): boolean => service.isServed;

const isAskedFor = ({ header, cookie }: Canary, fields: FieldList): boolean =>
  (header !== undefined && hasField(fields, header)) || (cookie !== undefined && hasCookie(fields, cookie));
