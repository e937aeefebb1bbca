// Apps made up from the labels of tasks, for clusters where no Marathon is asked: routes need an app to belong to (interface.md, Labels).

import { appKey, isCurrent, type App, type AppKey, type AppPort, type Task, type TaskPort } from '../cluster/index.ts';

const prefixes = ['HAPROXY_', 'traefik.', 'ISTHMUS_'];

/** The app that a labelled task belongs to; null where its labels ask for nothing. `all`: labelled or not, it wants discovery ports then. */
export function inferredKey(task: Task, all: boolean): AppKey | null {
  if (all && task.ports.length > 0) return appKey(task.framework, appIdOf(task));
  const isLabelled = Object.keys(task.labels).some((label) => prefixes.some((prefix) => label.startsWith(prefix)));
  return isLabelled ? appKey(task.framework, appIdOf(task)) : null;
}

/** `nginx.groupware` is what Marathon makes of `/groupware/nginx`. */
const appIdOf = (task: Task): string => `/${groupOf(task).split('.').reverse().join('/')}`;

const groupOf = (task: Task): string => task.discoveryName ?? task.name;

/** The app of these tasks, which share its key; undefined where there are none. The youngest running task speaks for its labels and ports. */
export function inferApp(key: AppKey, tasks: readonly Task[]): App | undefined {
  const speaker = tasks.reduce<Task | undefined>(
    (best, task) => (best === undefined || speaksBefore(task, best) ? task : best),
    undefined,
  );
  if (speaker === undefined) return undefined;
  return Object.freeze({
    key,
    marathon: speaker.framework,
    frameworkId: speaker.frameworkId,
    id: appIdOf(speaker),
    labels: speaker.labels,
    networkMode: speaker.networkMode,
    ports: Object.freeze(inferPorts(speaker)),
    healthChecks: Object.freeze([]),
    hasReadinessChecks: false,
    instances: tasks.filter((task) => isCurrent(task.state)).length,
    version: null,
    deploying: false,
    inferred: true,
    discoveryName: groupOf(speaker),
  });
}

function speaksBefore(one: Task, other: Task): boolean {
  const difference = (one.runningSince ?? 0) - (other.runningSince ?? 0);
  return difference === 0 ? one.key < other.key : difference > 0;
}

/** One port for each discovery port; what Marathon split by protocol or network is one again. */
function inferPorts(task: Task): AppPort[] {
  const ports: AppPort[] = [];
  let former: TaskPort | undefined;
  for (const port of task.ports) {
    const last = ports.at(-1);
    if (last !== undefined && former !== undefined && isSamePort(former, port)) {
      const protocols = new Set([...last.protocol.split(','), port.protocol]);
      ports[ports.length - 1] = Object.freeze({ ...last, protocol: [...protocols].sort().join(',') });
      continue;
    }
    former = port;
    ports.push(inferPort(task, port, ports.length));
  }
  return ports;
}

const isSamePort = (one: TaskPort, other: TaskPort): boolean =>
  one.name === other.name && one.hostPort === other.hostPort && one.containerPort === other.containerPort;

function inferPort(task: Task, port: TaskPort, index: number): AppPort {
  const hostPortIndex = port.hostPort === null ? -1 : task.hostPorts.indexOf(port.hostPort);
  return Object.freeze({
    index,
    name: port.name,
    protocol: port.protocol,
    servicePort: null,
    containerPort: port.containerPort,
    hostPortIndex: hostPortIndex < 0 ? null : hostPortIndex,
    labels: port.labels,
  });
}
