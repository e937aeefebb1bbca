// How full the kernel's table of flows is: a full one drops packets without a word.

import { readFileSync } from 'node:fs';
import type { Metrics } from '../../src/runtime/index.ts';

const directory = '/proc/sys/net/netfilter';

export function exportConntrack(metrics: Metrics): void {
  const entries = metrics.gauge('lb_conntrack_entries', 'Flows that the kernel keeps track of.', [], 'max');
  const limit = metrics.gauge('lb_conntrack_limit', 'Flows that the kernel can keep track of.', [], 'max');
  metrics.onRead(() => {
    for (const [gauge, file] of [
      [entries, 'nf_conntrack_count'],
      [limit, 'nf_conntrack_max'],
    ] as const) {
      const value = numberIn(`${directory}/${file}`);
      if (value !== null) gauge.cell().value = value;
    }
  });
}

function numberIn(path: string): number | null {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}
