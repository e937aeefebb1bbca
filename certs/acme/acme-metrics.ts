// Numbers of one authority, for alarms. Labels are the authority's host, and ACME's own words for what went wrong.

import type { Cell, Metrics } from '../../src/runtime/index.ts';
import { metricType } from './problem.ts';

export interface AcmeMetrics {
  readonly issued: Cell;
  readonly renewed: Cell;
  readonly failed: Cell;
  readonly unreachable: Cell;
  problem(type: string): void;
  /** Asked when somebody reads. */
  onRead(look: () => Numbers): void;
}

export interface Numbers {
  readonly reachable: boolean;
  readonly waiting: number;
  /** Null: there is nothing to renew. */
  readonly nextRenewalSeconds: number | null;
}

/** Several sources may ask one authority, each for names of its own: they are shown as one. */
const lookers = new WeakMap<Metrics, Map<string, (() => Numbers)[]>>();

export function createAcmeMetrics(metrics: Metrics, authority: string): AcmeMetrics {
  const orders = metrics.counter('certs_acme_orders_total', 'Orders of certificates, by their end.', [
    'authority',
    'result',
  ]);
  const problems = metrics.counter('certs_acme_problems_total', 'Refusals of an authority, by ACME error type.', [
    'authority',
    'type',
  ]);
  const unreachable = metrics.counter('certs_acme_unreachable_total', 'Times that an authority could not be asked.', [
    'authority',
  ]);
  const up = metrics.gauge(
    'certs_acme_up',
    '1 while the authority can be asked, 0 while it cannot.',
    ['authority'],
    'max',
  );
  const waiting = metrics.gauge(
    'certs_acme_waiting',
    'Certificates that should be issued or renewed by now and are not.',
    ['authority'],
    'max',
  );
  const next = metrics.gauge(
    'certs_acme_next_renewal_seconds',
    'Seconds until the next certificate is to be renewed.',
    ['authority'],
    'max',
  );
  return {
    issued: orders.cell(authority, 'issued'),
    renewed: orders.cell(authority, 'renewed'),
    failed: orders.cell(authority, 'failed'),
    unreachable: unreachable.cell(authority),
    problem: (type) => void problems.cell(authority, metricType(type)).value++,
    onRead(look) {
      const ofAll = lookers.get(metrics) ?? new Map<string, (() => Numbers)[]>();
      lookers.set(metrics, ofAll);
      const looks = ofAll.get(authority) ?? [];
      ofAll.set(authority, looks);
      if (looks.push(look) > 1) return;
      metrics.onRead(() => {
        const seen = looks.map((one) => one());
        const renewals = seen.flatMap(({ nextRenewalSeconds }) => nextRenewalSeconds ?? []);
        up.cell(authority).value = seen.every(({ reachable }) => reachable) ? 1 : 0;
        waiting.cell(authority).value = seen.reduce((sum, one) => sum + one.waiting, 0);
        if (renewals.length === 0) next.drop(authority);
        else next.cell(authority).value = Math.round(Math.min(...renewals));
      });
    },
  };
}
