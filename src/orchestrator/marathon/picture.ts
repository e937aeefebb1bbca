// One whole reading of a Marathon: its apps and pods with their tasks.

import { frameworkId, type App, type AppKey, type Task, type TaskKey } from '../../cluster/index.ts';
import { IsthmusError } from '../../runtime/index.ts';
import { codeOf } from '../../runtime/index.ts';
import { listOf, objectOf, textOf } from '../json.ts';
import type { Cut } from '../mesos/split.ts';
import type { MarathonClient } from './client.ts';
import { decodeApp, type Marathon } from './decode-app.ts';
import { decodePod } from './decode-pod.ts';
import { decodeAppTask } from './decode-task.ts';

export interface MarathonPicture {
  readonly apps: Map<AppKey, App>;
  readonly tasks: Map<TaskKey, Task>;
}

export const emptyPicture = (): MarathonPicture => ({ apps: new Map(), tasks: new Map() });

const appsPath = '/v2/apps?embed=apps.tasks&embed=apps.deployments&embed=apps.readiness';

/** Cuts that put the apps of a `/v2/apps` document into `picture`. `marathon` is asked late: its id may be learnt meanwhile. */
export function appCuts(
  picture: MarathonPicture,
  marathon: () => Marathon,
  onSkipped: (reason: string) => void,
): readonly Cut[] {
  return [{ path: 'apps', take: (element) => addApp(picture, element, marathon(), onSkipped) }];
}

/** One app that cannot be read costs its neighbours nothing. */
function addApp(picture: MarathonPicture, raw: unknown, marathon: Marathon, onSkipped: (reason: string) => void): void {
  const app = decodeApp(raw, marathon);
  if (app === null) return onSkipped('app');
  picture.apps.set(app.key, app);
  for (const item of listOf(objectOf(raw)['tasks'])) {
    const task = decodeAppTask(item, app, raw, marathon);
    if (task !== null) picture.tasks.set(task.key, task);
    else if (textOf(objectOf(item)['id']) === null) onSkipped('task');
  }
}

function addPods(
  picture: MarathonPicture,
  pods: unknown,
  marathon: Marathon,
  onSkipped: (reason: string) => void,
): void {
  for (const raw of listOf(pods)) {
    const pod = decodePod(raw, marathon);
    if (pod === null) {
      onSkipped('pod');
      continue;
    }
    picture.apps.set(pod.app.key, pod.app);
    for (const task of pod.tasks) picture.tasks.set(task.key, task);
  }
}

/** Which framework this Marathon is, by `/v2/info`. */
export async function readMarathon(
  client: MarathonClient,
  base: URL,
  name: string,
  signal: AbortSignal,
): Promise<Marathon> {
  const info = objectOf(await client.read(base, '/v2/info', [], signal));
  const id = textOf(info['frameworkId']);
  return { name, frameworkId: id === null || id === '' ? null : frameworkId(id) };
}

/** Everything. Rejects as the client does; a Marathon before 1.4 has no pods. */
export async function readMarathonPicture(
  client: MarathonClient,
  base: URL,
  marathon: Marathon,
  onSkipped: (reason: string) => void,
  signal: AbortSignal,
): Promise<MarathonPicture> {
  const picture = emptyPicture();
  const skeleton = await client.read(
    base,
    appsPath,
    appCuts(picture, () => marathon, onSkipped),
    signal,
  );
  if (!Array.isArray(objectOf(skeleton)['apps'])) {
    throw new IsthmusError('UPSTREAM_GARBAGE', `${base.host} answers without apps: no Marathon`, {
      side: 'upstream',
      retryable: true,
    });
  }
  try {
    addPods(picture, await client.read(base, '/v2/pods::status', [], signal), marathon, onSkipped);
  } catch (error) {
    if (codeOf(error) !== 'UPSTREAM_UNSUPPORTED') throw error;
  }
  return picture;
}
