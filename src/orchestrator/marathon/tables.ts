// Tables of one Marathon: what its last reading said, and the difference that a new one makes.

import {
  noMasters,
  sameRecord,
  type App,
  type AppKey,
  type ClusterEvent,
  type Task,
  type TaskKey,
} from '../../cluster/index.ts';
import type { MarathonPicture } from './picture.ts';

export interface MarathonTables {
  /** Takes the picture in the place of the former one; returns what changed. */
  replace(picture: MarathonPicture): readonly ClusterEvent[];
  /** Everything, as one resync. */
  resync(): ClusterEvent;
}

export function createMarathonTables(): MarathonTables {
  const apps = new Map<AppKey, App>();
  const tasks = new Map<TaskKey, Task>();
  return {
    replace(picture) {
      const events: ClusterEvent[] = [];
      for (const key of [...tasks.keys()]) {
        if (picture.tasks.has(key)) continue;
        tasks.delete(key);
        events.push({ type: 'task', key, task: null });
      }
      for (const key of [...apps.keys()]) {
        if (picture.apps.has(key)) continue;
        apps.delete(key);
        events.push({ type: 'app', key, app: null });
      }
      for (const [key, app] of picture.apps) {
        if (sameRecord(apps.get(key), app)) continue;
        apps.set(key, app);
        events.push({ type: 'app', key, app });
      }
      for (const [key, read] of picture.tasks) {
        const former = tasks.get(key);
        const task = withRememberedHealth(read, former);
        if (sameRecord(former, task)) continue;
        tasks.set(key, task);
        events.push({ type: 'task', key, task });
      }
      return events;
    },
    resync: () => ({
      type: 'resync',
      picture: { tasks: [...tasks.values()], agents: [], frameworks: [], apps: [...apps.values()], masters: noMasters },
    }),
  };
}

/** After its own failover a Marathon has no results for a while: those of before stay true (specs/orchestrator.md §3.1). */
function withRememberedHealth(task: Task, former: Task | undefined): Task {
  const isSame =
    former?.appVersion === task.appVersion && former?.state === 'TASK_RUNNING' && task.state === 'TASK_RUNNING';
  if (task.appHealth !== null || !isSame || former.appHealth === null) return task;
  return Object.freeze({ ...task, appHealth: former.appHealth });
}
