// The daemon's views and tasks as text for people and JSON for programs.

import { isCurrent, taskJson, type Task } from '../../cluster/index.ts';
import { withoutSecrets, type RouteRecord } from '../../../proxies/router/index.ts';
import type { ControlRoom } from '../control.ts';
import type { TableName } from '../message.ts';
import { json, problem, text, type Answer } from './answer.ts';
import type { AdminRequest } from './server.ts';

export function showTasks(room: ControlRoom, request: AdminRequest): Answer {
  const all = request.url.searchParams.get('all') === '1';
  const tasks = [...room.pipeline.snapshot.tasks.values()].filter((task) => all || isCurrent(task.state));
  return json(tasks.sort(byFrameworkAndId).map(taskJson));
}

export function showTable(room: ControlRoom, request: AdminRequest): Answer {
  const name = request.parts[0] as TableName;
  const view = room.pipeline.view(name);
  if (view === undefined) return problem(404, `the function behind /v1/${name} is not configured`);
  if (!request.wantsJson) return text(view.print());
  return json([...view.table].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => shown(name, record)));
}

/** Routes hold password hashes for the workers; nobody is shown them. */
const shown = (name: TableName, record: unknown): unknown =>
  name === 'routes' ? withoutSecrets(record as RouteRecord) : record;

export function showListeners(room: ControlRoom): Answer {
  return json(room.readiness.listeners());
}

export function showCertificates(room: ControlRoom): Answer {
  return json(room.certificates?.listings() ?? []);
}

export function showDiagnostics(room: ControlRoom): Answer {
  return json(room.pipeline.version < 0 ? [] : room.pipeline.diagnostics());
}

function byFrameworkAndId(a: Task, b: Task): number {
  if (a.frameworkId !== b.frameworkId) return a.frameworkId < b.frameworkId ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}
