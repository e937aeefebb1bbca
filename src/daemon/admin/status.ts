// Whether the daemon lives, is ready, and how far everything is.

import type { ControlRoom } from '../control.ts';
import { limitsIn } from '../process-limits.ts';
import { json, type Answer } from './answer.ts';

export function showLive(): Answer {
  return json({ live: true });
}

export function showReady(room: ControlRoom): Answer {
  const reasons = room.readiness.reasons();
  return json({ ready: reasons.length === 0, reasons }, reasons.length === 0 ? 200 : 503);
}

/** A worker that does not answer by then is shown without its limits. */
const workerTimeoutMs = 1_000;

export async function showStatus(room: ControlRoom): Promise<Answer> {
  const readings = [room.options.metrics.read(), ...(await room.links.readMetrics(workerTimeoutMs))];
  return json(statusOf(room, limitsIn(readings)));
}

/** Ages are seconds with one decimal; null: never. */
function statusOf(room: ControlRoom, limits: ReturnType<typeof limitsIn>): Readonly<Record<string, unknown>> {
  const { pipeline, readiness, options, links } = room;
  const now = options.clock.now();
  const age = (at: number): number | null => (at === 0 ? null : Math.round((now - at) / 100) / 10);
  return {
    version: pipeline.snapshot.version,
    generation: readiness.edition(),
    source: readiness.source(),
    ready: readiness.reasons().length === 0,
    tasks: pipeline.snapshot.tasks.size,
    apps: pipeline.snapshot.apps.size,
    agents: pipeline.snapshot.agents.size,
    masters: pipeline.snapshot.masters,
    sources: [...pipeline.snapshot.sources].map(([name, source]) => ({
      name,
      state: source.state,
      ageSeconds: age(source.seenAt),
      version: pipeline.snapshot.version,
      reason: source.reason,
    })),
    vips: { plane: options.vipPlane.plane, why: options.vipPlane.why },
    planes: [...pipeline.tables].map(([name, table]) => ({
      name,
      records: table.records.size,
      version: pipeline.version,
      appliedSecondsAgo: age(pipeline.publishedAt),
      lagSeconds: Math.round(room.lagSeconds() * 10_000) / 10_000,
    })),
    workers: links.states().map(({ slot, pid, generation, appliedVersion }) => ({
      slot,
      pid,
      generation,
      appliedVersion,
      ...limits.get(`worker-${slot}`),
    })),
    control: { pid: process.pid, ...limits.get('control') },
    degraded: readiness.degraded(),
  };
}
