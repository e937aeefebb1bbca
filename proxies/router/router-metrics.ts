// Counters of the router. A route's cells are held by its compiled form, a backend's by its target; a code's cell is made at its first
// answer. Names of routes and backends come from labels and tasks, so their number is bounded.

import {
  latencyBuckets,
  type Cell,
  type CellFamily,
  type HistogramCell,
  type HistogramFamily,
  type Metrics,
} from '../../src/runtime/index.ts';
import type { UpstreamFailureReason } from '../http1/index.ts';

/** Routes with a histogram of their own, and backends with series; the others share `other`. */
const mostRoutes = 1_000;
const mostBackends = 2_000;
const classes = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** Requests of one route by the status of the answer; 499 where the client did not wait for it. */
export class RouteCounters {
  readonly #id: string;
  readonly #family: CellFamily;
  readonly #cells: (Cell | undefined)[] = [];
  readonly seconds: HistogramCell;

  constructor(id: string, family: CellFamily, seconds: HistogramCell) {
    this.#id = id;
    this.#family = family;
    this.seconds = seconds;
  }

  /** `status` is between 100 and 599: the parser of answers takes no other. */
  count(status: number): void {
    let cell = this.#cells[status - 100];
    if (cell === undefined) {
      this.#cells[status - 100] = cell = this.#family.cell(this.#id, String(status));
    }
    cell.value++;
  }

  drop(): void {
    this.#cells.forEach((_, at) => this.#family.drop(this.#id, String(at + 100)));
    this.#cells.length = 0;
  }
}

/** What is counted of one backend, over all routes. */
export interface BackendMeter {
  /** Tries under way, tunnels included. */
  readonly active: Cell;
  readonly tries: Cell;
  readonly bytesIn: Cell;
  readonly bytesOut: Cell;
  readonly seconds: HistogramCell;
  answered(status: number): void;
}

export interface RouterMetrics {
  /** For requests without a route. */
  readonly noRoute: RouteCounters;
  countersOf(routeId: string): RouteCounters;
  /** The route is gone: its series end. */
  forget(routeId: string): void;
  meterOf(backend: string): BackendMeter;
  forgetBackend(backend: string): void;
  countFailure(reason: UpstreamFailureReason): void;
  /** Of the access log, because its file takes no more. */
  readonly droppedLines: Cell;
  readonly openedBreakers: Cell;
  /** Refused because the loop is overloaded. */
  readonly shed: Cell;
  countFault(kind: 'delay' | 'abort'): void;
  countMirrored(result: 'answered' | 'failed' | 'dropped'): void;
}

export function createRouterMetrics(metrics: Metrics, readActive: () => number): RouterMetrics {
  const requests = metrics.counter('router_requests_total', 'Requests answered, by route and status.', [
    'route',
    'code',
  ]);
  const failures = metrics.counter('router_upstream_failures_total', 'Failures of connections to backends.', [
    'reason',
  ]);
  const faults = metrics.counter('router_faults_total', 'Requests that met a fault on purpose.', ['kind']);
  const mirrored = metrics.counter('router_mirrored_total', 'Copies of requests for mirrors, by what became of them.', [
    'result',
  ]);
  const active = metrics.gauge('router_active_connections', 'Connections of clients, tunnels included.', []).cell();
  const seconds = metrics.histogram(
    'router_request_seconds',
    'From the head of a request to the end of its answer.',
    ['route'],
    latencyBuckets,
  );
  const counters = new Map<string, RouteCounters>();
  const backends = createBackendMeters(metrics);
  metrics.onRead(() => void (active.value = readActive()));
  return {
    ...backends,
    noRoute: new RouteCounters('none', requests, seconds.cell('none')),
    countersOf(routeId) {
      let held = counters.get(routeId);
      if (held === undefined) {
        const cell = seconds.cell(counters.size < mostRoutes ? routeId : 'other');
        counters.set(routeId, (held = new RouteCounters(routeId, requests, cell)));
      }
      return held;
    },
    forget(routeId) {
      counters.get(routeId)?.drop();
      if (counters.delete(routeId)) seconds.drop(routeId);
    },
    countFault: (kind) => void faults.cell(kind).value++,
    countMirrored: (result) => void mirrored.cell(result).value++,
    countFailure: (reason) => void failures.cell(reason).value++,
    shed: metrics.counter('router_shed_total', 'Requests refused because the worker is overloaded.', []).cell(),
    openedBreakers: metrics
      .counter('router_breakers_opened_total', 'Circuit breakers of services that opened.', [])
      .cell(),
    droppedLines: metrics
      .counter('router_log_lines_dropped_total', 'Lines of the access log that were lost.', [])
      .cell(),
  };
}

function createBackendMeters(metrics: Metrics): Pick<RouterMetrics, 'meterOf' | 'forgetBackend'> {
  const families: BackendFamilies = {
    active: metrics.gauge('router_backend_active', 'Requests and tunnels under way at a backend.', ['backend']),
    tries: metrics.counter('router_backend_tries_total', 'Requests that a backend was chosen for.', ['backend']),
    bytesIn: metrics.counter('router_backend_request_bytes_total', 'Bodies sent to a backend.', ['backend']),
    bytesOut: metrics.counter('router_backend_answer_bytes_total', 'Bodies that a backend answered with.', ['backend']),
    answers: metrics.counter('router_backend_answers_total', 'Answers of a backend by class of status.', [
      'backend',
      'class',
    ]),
    seconds: metrics.histogram(
      'router_backend_seconds',
      'From the choice of a backend to the head of its answer.',
      ['backend'],
      latencyBuckets,
    ),
  };
  const meters = new Map<string, BackendMeter>();
  return {
    meterOf(backend) {
      let meter = meters.get(backend);
      if (meter === undefined)
        meters.set(backend, (meter = backendMeter(meters.size < mostBackends ? backend : 'other', families)));
      return meter;
    },
    forgetBackend(backend) {
      // Whoever is still under way there counts into cells that nobody reads any more.
      if (!meters.delete(backend)) return;
      for (const one of classes) families.answers.drop(backend, one);
      for (const family of [families.active, families.tries, families.bytesIn, families.bytesOut, families.seconds])
        family.drop(backend);
    },
  };
}

interface BackendFamilies {
  readonly active: CellFamily;
  readonly tries: CellFamily;
  readonly bytesIn: CellFamily;
  readonly bytesOut: CellFamily;
  readonly answers: CellFamily;
  readonly seconds: HistogramFamily;
}

function backendMeter(backend: string, families: BackendFamilies): BackendMeter {
  const answers = classes.map((one) => families.answers.cell(backend, one));
  return {
    active: families.active.cell(backend),
    tries: families.tries.cell(backend),
    bytesIn: families.bytesIn.cell(backend),
    bytesOut: families.bytesOut.cell(backend),
    seconds: families.seconds.cell(backend),
    answered(status) {
      const cell = answers[Math.floor(status / 100) - 1];
      if (cell !== undefined) cell.value++;
    },
  };
}
