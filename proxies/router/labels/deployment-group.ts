// Apps of one HAPROXY_DEPLOYMENT_GROUP as one service: which is the old one, and how many of its tasks end now (specs/l7.md §1.13). Pure.

import type { App, Task } from '../../../src/cluster/index.ts';
import { parseInteger } from '../label-values.ts';
import type { LabelUnit } from './label-rules.ts';

/** `MARATHON/GROUP#group`; null for an app on its own. */
export function unitKeyOf(app: App): string {
  const group = app.labels['HAPROXY_DEPLOYMENT_GROUP']?.trim() ?? '';
  return group === '' ? app.key : `${app.marathon}${groupId(group)}#group`;
}

const groupId = (group: string): string => (group.startsWith('/') ? group : `/${group}`);

/** The unit of these apps, which share `key`. The oldest deployment gives labels and ports. */
export function unitOf(key: string, apps: readonly App[]): LabelUnit {
  const sorted = [...apps].sort((a, b) => (a.id < b.id ? -1 : 1));
  const [only] = sorted as [App];
  const group = only.labels['HAPROXY_DEPLOYMENT_GROUP']?.trim() ?? '';
  if (group === '') return { key, appId: only.id, app: only, members: sorted, newest: null };
  const members = byAge(sorted);
  const [oldest] = members as [App];
  const newest = members.length > 1 ? (members.at(-1) ?? null) : null;
  return { key, appId: groupId(group), app: oldest, members, newest };
}

/** By STARTED_AT; of two that are equal the one with the later id is the older, as Marathon-LB has it. */
function byAge(apps: readonly App[]): readonly App[] {
  const sorted = [...apps].reverse().sort((a, b) => startedAt(a) - startedAt(b));
  const last = sorted.at(-1);
  const former = sorted.at(-2);
  if (last === undefined || former === undefined || last.labels[newInstances] === undefined) return sorted;
  // A hybrid deployment that goes back: the older one was scaled after the newer one.
  const turnsBack = (former.lastScalingAt ?? 0) > (last.lastScalingAt ?? 0);
  return turnsBack ? [...sorted.slice(0, -2), last, former] : sorted;
}

const newInstances = 'HAPROXY_DEPLOYMENT_NEW_INSTANCES';

/** A date without a zone counts as UTC; none is the earliest. */
function startedAt(app: App): number {
  const text = app.labels['HAPROXY_DEPLOYMENT_STARTED_AT'] ?? '';
  const time = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(time) ? 0 : time;
}

export interface DrainFacts {
  readonly oldTasks: number;
  readonly oldInstances: number;
  readonly healthyNew: number;
  readonly target: number;
}

/** How many old tasks get nothing new: as many as there are healthy new ones, as long as `target` of both together are left. */
export const drainCount = ({ oldTasks, oldInstances, healthyNew, target }: DrainFacts): number =>
  Math.min(oldTasks, healthyNew, Math.max(0, healthyNew + oldInstances - target));

/** HAPROXY_DEPLOYMENT_TARGET_INSTANCES of the new app, which counts only beside NEW_INSTANCES. */
export function targetInstances(newest: App): number {
  if (newest.labels[newInstances] === undefined) return 1;
  const target = parseInteger(newest.labels['HAPROXY_DEPLOYMENT_TARGET_INSTANCES'] ?? '1');
  return typeof target === 'number' ? target : 1;
}

/**
 * New tasks that count as healthy. As measured an app without checks counts with the instances that it wants, which ends old tasks before new
 * ones run; corrected it counts those that run.
 */
export function healthyNew(newest: App, tasks: readonly Task[], isReference: boolean): number {
  if (newest.healthChecks.length === 0)
    return isReference ? newest.instances : tasks.filter((task) => task.state === 'TASK_RUNNING').length;
  return tasks.filter((task) => task.appHealth === 'alive' || task.anyAlive === true).length;
}
