// What the system lets this process have, and how much of it is used: descriptors, memory. Node raises the soft limit of descriptors to the
// hard one by itself.

import { readFileSync, readdirSync, statSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import type { MetricJson, Metrics } from '../runtime/index.ts';
import type { Config } from './config/index.ts';

/** Each gauge, by the name that the status has for it. */
const gauges = {
  openFiles: ['daemon_open_files', 'Descriptors that the process has open.'],
  openFilesLimit: ['daemon_open_files_limit', 'Descriptors that the process may have open.'],
  memoryBytes: ['daemon_memory_bytes', 'Memory that the process has in use (resident set).'],
  memoryLimitBytes: ['daemon_memory_limit_bytes', 'Memory that the control group of the process may use; 0: no limit.'],
  heapBytes: ['daemon_heap_bytes', 'JavaScript heap in use.'],
  heapLimitBytes: ['daemon_heap_limit_bytes', 'Largest JavaScript heap: beyond it the process ends.'],
} as const;

export type ProcessLimits = Readonly<Record<keyof typeof gauges, number>>;

/** `process`: `control`, or `worker-0` and so on. */
export function registerLimits(metrics: Metrics, process: string): void {
  const families = Object.entries(gauges).map(([key, [name, help]]) => {
    return [key as keyof ProcessLimits, metrics.gauge(name, help, ['process'], 'max').cell(process)] as const;
  });
  metrics.onRead(() => {
    const now = readLimits();
    for (const [key, cell] of families) cell.value = now[key];
  });
}

/** What `registerLimits` has put into these readings, by process. */
export function limitsIn(readings: readonly (readonly MetricJson[])[]): ReadonlyMap<string, Partial<ProcessLimits>> {
  const found = new Map<string, Partial<Record<keyof ProcessLimits, number>>>();
  for (const metric of readings.flat())
    for (const [key, [name]] of Object.entries(gauges)) {
      if (metric.name !== `isthmus_${name}`) continue;
      for (const { labels, value } of metric.values) {
        const process = String(labels['process']);
        found.set(process, { ...found.get(process), [key]: value });
      }
    }
  return found;
}

export function readLimits(): ProcessLimits {
  const heap = getHeapStatistics();
  // Without a limit it is near 2^64.
  const constrained = process.constrainedMemory();
  return {
    openFiles: countOpenFiles(),
    openFilesLimit: mostOpenFiles(),
    memoryBytes: process.memoryUsage.rss(),
    memoryLimitBytes: constrained < 2 ** 53 ? constrained : 0,
    heapBytes: heap.used_heap_size,
    heapLimitBytes: heap.heap_size_limit,
  };
}

/** Since Linux 6.2 the size of the directory is their number; a list of a hundred thousand would take its time. */
function countOpenFiles(): number {
  try {
    return statSync('/proc/self/fd').size || readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

function mostOpenFiles(): number {
  try {
    const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft ?? 0);
  } catch {
    return 0;
  }
}

/** What a worker has open besides connections: listeners, logs, connections to back ends that wait for requests. */
const besides = 256;

/**
 * Null: a worker may open what the configuration lets clients have; else by how much it may not. Each connection of the router, of a VIP or of
 * a proxy has another behind it, and all may come to one worker.
 */
export function describeShortage(config: Config, mostFiles: number): string | null {
  const { dns, router, vips, socks, httpProxy, forwards } = config;
  const doubled = [router, vips, socks, httpProxy, ...forwards].map((one) => (one?.limits.connections ?? 0) * 2);
  const wanted = doubled.reduce((sum, count) => sum + count, besides + (dns?.limits.connections ?? 0));
  if (mostFiles === 0 || wanted <= mostFiles) return null;
  return (
    `a worker may open ${mostFiles} descriptors (RLIMIT_NOFILE), and limits.connections of all sections let clients want ${wanted}: ` +
    'raise LimitNOFILE or ulimit -n, or lower limits.connections'
  );
}
