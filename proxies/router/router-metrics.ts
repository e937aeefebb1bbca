// Counters of the router. A route's cells are held by its compiled form; a code's cell is made at its first answer.

import {
  latencyBuckets,
  type Cell,
  type CellFamily,
  type HistogramCell,
  type Metrics,
} from '../../src/runtime/index.ts';
import type { UpstreamFailureReason } from '../http1/index.ts';

/** Requests of one route by the status of the answer; 499 where the client did not wait for it. */
export class RouteCounters {
  readonly #id: string;
  readonly #family: CellFamily;
  readonly #cells: (Cell | undefined)[] = [];
  readonly #codes = new Set<string>();

  constructor(id: string, family: CellFamily) {
    this.#id = id;
    this.#family = family;
  }

  /** `status` is between 100 and 599: the parser of answers takes no other. */
  count(status: number): void {
    let cell = this.#cells[status - 100];
    if (cell === undefined) {
      const code = String(status);
      this.#codes.add(code);
      this.#cells[status - 100] = cell = this.#family.cell(this.#id, code);
    }
    cell.value++;
  }

  drop(): void {
    for (const code of this.#codes) this.#family.drop(this.#id, code);
    this.#cells.length = 0;
    this.#codes.clear();
  }
}

export interface RouterMetrics {
  readonly seconds: HistogramCell;
  /** For requests without a route. */
  readonly noRoute: RouteCounters;
  countersOf(routeId: string): RouteCounters;
  /** The route is gone: its series end. */
  forget(routeId: string): void;
  countFailure(reason: UpstreamFailureReason): void;
}

export function createRouterMetrics(metrics: Metrics, readActive: () => number): RouterMetrics {
  const requests = metrics.counter('router_requests_total', 'Requests answered, by route and status.', [
    'route',
    'code',
  ]);
  const failures = metrics.counter('router_upstream_failures_total', 'Failures of connections to backends.', [
    'reason',
  ]);
  const active = metrics.gauge('router_active_connections', 'Connections of clients, tunnels included.', []).cell();
  const seconds = metrics.histogram(
    'router_request_seconds',
    'From the head of a request to the end of its answer.',
    [],
    latencyBuckets,
  );
  const counters = new Map<string, RouteCounters>();
  metrics.onRead(() => void (active.value = readActive()));
  return {
    seconds: seconds.cell(),
    noRoute: new RouteCounters('none', requests),
    countersOf(routeId) {
      let held = counters.get(routeId);
      if (held === undefined) counters.set(routeId, (held = new RouteCounters(routeId, requests)));
      return held;
    },
    forget(routeId) {
      counters.get(routeId)?.drop();
      counters.delete(routeId);
    },
    countFailure: (reason) => void failures.cell(reason).value++,
  };
}
