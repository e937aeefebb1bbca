// Metrics of health, on the control side. Labels are addresses of backends, which go when the backend does.

import type { BackendKey } from '../../src/cluster/index.ts';
import type { Metrics } from '../../src/runtime/index.ts';
import { takersOf } from '../policies/candidate.ts';
import type { ProbeResult } from './probe.ts';
import type { WatchedSets } from './watched-sets.ts';

export interface HealthMeters {
  countCheck(result: ProbeResult): void;
  countEjection(reason: 'consecutive' | 'ratio'): void;
}

export function createHealthMeters(
  metrics: Metrics,
  sets: WatchedSets,
  panicRatio: number,
  read: () => { readonly failing: number; readonly ejected: number },
): HealthMeters {
  const checks = metrics.counter('lb_checks_total', 'Probes of active checks, by what came of them.', ['result']);
  const passed = checks.cell('passed');
  const failed = checks.cell('failed');
  const skipped = checks.cell('skipped');
  const ejections = metrics.counter('lb_ejections_total', 'Backends left out for failing real traffic.', ['reason']);
  const failing = metrics.gauge('lb_backends_failing', 'Backends that fail their check.', [], 'max').cell();
  const ejected = metrics.gauge('lb_backends_ejected', 'Backends left out for now.', [], 'max').cell();
  const panic = metrics.gauge('lb_sets_in_panic', 'Sets so sick that failing backends are used.', [], 'max').cell();
  exportUp(metrics, sets);
  metrics.onRead(() => {
    ({ failing: failing.value, ejected: ejected.value } = read());
    panic.value = 0;
    for (const set of sets.all()) if (takersOf({ id: '', ...set }, panicRatio).isPanic) panic.value++;
  });
  return {
    countCheck: (result) => void (result === null ? passed : result === undefined ? skipped : failed).value++,
    countEjection: (reason) => void ejections.cell(reason).value++,
  };
}

/** Whether each backend takes new connections in any of its sets. */
function exportUp(metrics: Metrics, sets: WatchedSets): void {
  const gauge = metrics.gauge('lb_backend_up', 'Whether a backend takes new connections.', ['backend'], 'max');
  let shown = new Set<BackendKey>();
  metrics.onRead(() => {
    const present = new Map<BackendKey, number>();
    for (const { backends } of sets.all())
      for (const { key, weight } of backends) present.set(key, Math.max(present.get(key) ?? 0, weight > 0 ? 1 : 0));
    for (const key of shown) if (!present.has(key)) gauge.drop(key);
    for (const [key, value] of present) gauge.cell(key).value = value;
    shown = new Set(present.keys());
  });
}
