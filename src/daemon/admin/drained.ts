// Whether a task is done with its traffic: nothing new goes there and nothing is under way, in any worker.

import type { BackendKey, TaskKey } from '../../cluster/index.ts';
import { parseDuration } from '../config/index.ts';
import type { ControlRoom } from '../control.ts';
import { json, problem, type Answer } from './answer.ts';
import type { AdminRequest } from './server.ts';

/** How often the workers are asked while somebody waits. */
const askEveryMs = 100;
const longestWaitMs = 600_000;
const workerTimeoutMs = 2_000;

interface Standing {
  readonly drained: boolean;
  /** Still takes new traffic. */
  readonly up: readonly BackendKey[];
  /** Null: a worker does not answer. */
  readonly inFlight: number | null;
}

/** 200 as soon as it is, 503 where it is not within `wait`; 404 where there is no such task, 400 where none is named. */
export async function showDrained(room: ControlRoom, { url }: AdminRequest): Promise<Answer> {
  const id = url.searchParams.get('task') ?? '';
  const waitMs = parseDuration(url.searchParams.get('wait') ?? '0');
  if (typeof waitMs !== 'number') return problem(400, `wait ${waitMs.wrong}: ${waitMs.remedy}`);
  if (id === '') return problem(400, 'which task? write ?task=ID, as /v1/tasks shows it, and &wait=30s');
  const tasks = tasksNamed(room, id);
  if (tasks.length === 0) return problem(404, `no task ${id}: write ?task=ID, as /v1/tasks shows it, and &wait=30s`);
  const { clock } = room.options;
  const until = clock.monotonic() + Math.min(waitMs, longestWaitMs);
  // A backend that leaves its sets meanwhile may have requests under way still.
  const backends = new Set<BackendKey>();
  for (;;) {
    const standing = await look(room, tasks, backends);
    if (standing.drained || clock.monotonic() >= until)
      return json({ task: id, backends: [...backends], ...standing }, standing.drained ? 200 : 503);
    await new Promise<void>((resolve) => void clock.after(askEveryMs, resolve));
  }
}

function tasksNamed({ pipeline }: ControlRoom, id: string): readonly TaskKey[] {
  return [...pipeline.snapshot.tasks.values()]
    .filter((task) => task.id === id || task.key === id)
    .map(({ key }) => key);
}

async function look(room: ControlRoom, tasks: readonly TaskKey[], backends: Set<BackendKey>): Promise<Standing> {
  const present = tasks.flatMap((task) => room.health.backendsOf(task));
  for (const { key } of present) backends.add(key);
  const up = present.filter(({ state }) => state === 'up').map(({ key }) => key);
  const { version, snapshot } = room.pipeline;
  // Only a worker that follows the tables as they are sends nothing new there.
  const workers = room.links.states();
  const isApplied =
    version === snapshot.version &&
    workers.length >= room.options.workers &&
    workers.every(({ appliedVersion }) => appliedVersion >= version);
  const inFlight = await room.links.countInFlight([...backends], workerTimeoutMs);
  return { drained: isApplied && up.length === 0 && inFlight === 0, up, inFlight };
}
