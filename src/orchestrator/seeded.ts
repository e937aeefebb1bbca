// Seeding: a source begins with what it said before a restart. So one that is away when the daemon comes back keeps what it had, while
// its neighbours already speak for themselves.

import type { Picture, Task } from '../cluster/index.ts';
import { noMasters } from '../cluster/index.ts';
import type { Orchestrator } from '../ports/index.ts';

/** `source`, with `picture` as its first word. Its own first picture then replaces it, as after any gap. */
export function seedSource(source: Orchestrator, picture: Picture): Orchestrator {
  return {
    name: source.name,
    async *watch(signal) {
      yield [{ type: 'resync', picture }];
      yield* source.watch(signal);
    },
  };
}

/** Of a merged picture what the only Mesos of the cluster had said. */
export function partOfMesos(picture: Picture): Picture {
  const known = new Set(picture.frameworks.map((framework) => framework.id));
  const tasks = picture.tasks.filter((task) => known.has(task.frameworkId)).map(withoutApp);
  return { ...picture, tasks, apps: [] };
}

/** The task without what Marathon said of it; itself where that is nothing. */
export function withoutApp(task: Task): Task {
  const { appKey, appVersion, appHealth, ready } = task;
  if (appKey === null && appVersion === null && appHealth === null && ready === null) return task;
  return Object.freeze({ ...task, appKey: null, appVersion: null, appHealth: null, ready: null });
}

/** Of a merged picture what the Marathon of that name had said. */
export function partOfMarathon(picture: Picture, marathon: string): Picture {
  const apps = picture.apps.filter((app) => app.marathon === marathon);
  const keys = new Set(apps.map((app) => app.key));
  const tasks = picture.tasks.filter((task) => task.appKey !== null && keys.has(task.appKey));
  return { tasks, apps, agents: [], frameworks: [], masters: noMasters };
}
