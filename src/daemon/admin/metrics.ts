// Metrics of control and workers, summed, in Prometheus's text format.

import type * as Prometheus from 'prom-client';
import { onDemand } from '../../runtime/index.ts';
import type { ControlRoom } from '../control.ts';
import type { Answer } from './answer.ts';

const prometheus = onDemand<typeof Prometheus>('prom-client');

/** A worker that does not answer by then is left out: Prometheus waits ten seconds at most. */
const workerTimeoutMs = 2_000;

export async function showMetrics(room: ControlRoom): Promise<Answer> {
  const readings = [room.options.metrics.read(), ...(await room.links.readMetrics(workerTimeoutMs))];
  const merged = prometheus().AggregatorRegistry.aggregate(readings.map((reading) => [...reading]));
  return { status: 200, type: merged.contentType, body: await merged.metrics() };
}
