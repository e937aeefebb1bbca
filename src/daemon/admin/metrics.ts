// Metrics of control and workers, summed, in Prometheus's text format.

import { AggregatorRegistry } from 'prom-client';
import type { ControlRoom } from '../control.ts';
import type { Answer } from './answer.ts';

/** A worker that does not answer by then is left out: Prometheus waits ten seconds at most. */
const workerTimeoutMs = 2_000;

export async function showMetrics(room: ControlRoom): Promise<Answer> {
  const readings = [room.options.metrics.read(), ...(await room.links.readMetrics(workerTimeoutMs))];
  const merged = AggregatorRegistry.aggregate(readings.map((reading) => [...reading]));
  return { status: 200, type: merged.contentType, body: await merged.metrics() };
}
