// The gauge `lb_backend_up` from the control side: which backends of VIPs take new connections. Read from the table when somebody asks.

import type { Table } from '../src/ports/index.ts';
import type { Metrics } from '../src/runtime/index.ts';
import type { VipRecord } from './vip-record.ts';

/** Follows `table` (which is changed in place) for as long as `metrics` lives; a backend that is gone takes its cell along. */
export function exportBackends(table: Table<VipRecord>, metrics: Metrics): void {
  const gauge = metrics.gauge('lb_backend_up', 'Whether a backend takes new connections.', ['backend'], 'max');
  let shown = new Set<string>();
  metrics.onRead(() => {
    const present = new Map<string, number>();
    for (const { set } of table.values()) {
      for (const { key, weight } of set.backends) present.set(key, Math.max(present.get(key) ?? 0, weight > 0 ? 1 : 0));
    }
    for (const key of shown) if (!present.has(key)) gauge.drop(key);
    for (const [key, value] of present) gauge.cell(key).value = value;
    shown = new Set(present.keys());
  });
}
