// What Traefik's Mesos provider does otherwise than the one for Marathon: names by discovery, a filter and a port for each task by the
// labels of its own, and the address by `ipSources` (specs/l7.md §2.4).

import { backendKey, fitness, isServing, makeBackend } from '../../../src/cluster/index.ts';
import type { App, Labels, Task, TaskPort } from '../../../src/cluster/index.ts';
import type { LabelRules, NamedBackend, SetPlan, TraefikRules } from './label-rules.ts';

const behind = (segment: string): string => (segment === '' ? '' : `-service-${segment}`);

/** Runs of anything but letters and digits become one dash. */
const normalized = (name: string): string =>
  name
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean)
    .join('-');

/** The name of the group that an app without a Marathon stands for. */
export const discoveryNameOf = (app: App): string => app.discoveryName ?? app.id.slice(1);

/** Without `backend-`; a label's text stays as it is. */
export const mesosBackendName = (name: string, segment: string, label: string | null): string =>
  label ?? `${normalized(name)}${behind(segment)}`;

/** Called after the group and not after its first task, whose id changes with each deployment. */
export const mesosFrontendName = (name: string, segment: string): string =>
  `frontend-${normalized(name)}${behind(segment)}`;

/** A label of the segment, else of the task. */
function labelOf(labels: Labels, segment: string, name: string): string | null {
  return (segment === '' ? undefined : labels[`traefik.${segment}.${name}`]) ?? labels[`traefik.${name}`] ?? null;
}

const numberOfPort = (port: TaskPort): number => port.hostPort ?? port.containerPort ?? 0;
const isIndex = (text: string): boolean => /^\d+$/.test(text);

/** Whether a task is a server of its group at all; why not, where it is not. */
export function mesosTaskFilter(task: Task, exposedByDefault: boolean): true | string {
  const said = task.labels['traefik.enable'];
  const enabled = said === undefined ? exposedByDefault : /^(?:1|t|T|TRUE|true|True)$/.test(said);
  if (!enabled) return 'is not enabled';
  if (task.ports.length === 0) return 'has no discovery ports';
  if (task.healthy === false) return 'fails its check';
  const [port, index] = [task.labels['traefik.port'], task.labels['traefik.portIndex']];
  if (port !== undefined && index !== undefined) return 'has both traefik.port and traefik.portIndex';
  if (index !== undefined && !(isIndex(index) && Number(index) < task.ports.length))
    return `has no port of index ${index}`;
  if (port !== undefined && !task.ports.some((one) => String(numberOfPort(one)) === port))
    return `has no discovery port ${port}`;
  return true;
}

/** `portName`, else `portIndex`, else `port`, else the port that is called as the segment, else the first. */
export function mesosPort(labels: Labels, ports: readonly TaskPort[], segment: string): TaskPort | number | null {
  const name = labelOf(labels, segment, 'portName');
  const named = name === null ? undefined : ports.find((port) => port.name === name);
  if (named !== undefined) return named;
  const index = labelOf(labels, segment, 'portIndex');
  if (index !== null && isIndex(index)) return ports[Number(index)] ?? null;
  const number = labelOf(labels, segment, 'port');
  if (number !== null) {
    const port = isIndex(number) ? Number(number) : 0;
    return port > 0 && port < 65_536 ? (ports.find((one) => numberOfPort(one) === port) ?? port) : null;
  }
  return (segment === '' ? undefined : ports.find((port) => port.name === segment)) ?? ports[0] ?? null;
}

const statusAddress = {
  docker: 'Docker.NetworkSettings.IPAddress',
  mesos: 'MesosContainerizer.NetworkSettings.IPAddress',
} as const;

function addressOf(task: Task, sources: readonly string[], port: TaskPort | number): NamedAddress | null {
  for (const source of sources) {
    const isHost = source === 'host';
    const ip = isHost
      ? task.agentIp
      : source === 'docker' || source === 'mesos'
        ? (task.statusLabels[statusAddress[source]] ?? null)
        : (task.addresses[0]?.ip ?? null);
    const number =
      typeof port === 'number' ? port : ((isHost ? port.hostPort : port.containerPort) ?? numberOfPort(port));
    if (ip !== null && ip !== '') return { ip, port: number };
  }
  return null;
}

interface NamedAddress {
  readonly ip: string;
  readonly port: number;
}

export function mesosPlan(id: string, app: App, segment: string, rules: LabelRules, traefik: TraefikRules): SetPlan {
  return {
    id,
    collect(snapshot) {
      const known: NamedBackend[] = [];
      for (const key of snapshot.tasksOfApp.get(app.key) ?? []) {
        const task = snapshot.tasks.get(key);
        if (task === undefined || !isServing(task)) continue;
        const isFailing = rules.labels === 'corrected' && task.healthy === false;
        if (!isFailing && mesosTaskFilter(task, traefik.exposedByDefault) !== true) continue;
        const port = mesosPort(task.labels, task.ports, segment);
        const address = port === null ? null : addressOf(task, traefik.ipSources, port);
        if (address === null) continue;
        const state = fitness(task, snapshot.verdicts.get(backendKey(address.ip, address.port)));
        const made = makeBackend(address, task, state);
        const weight = labelOf(task.labels, segment, 'weight');
        const weighted =
          weight === null || !isIndex(weight) || state !== 'up' ? made : { ...made, weight: Number(weight) };
        known.push({ backend: Object.freeze(weighted), name: `server-${normalized(task.id)}${behind(segment)}` });
      }
      return { known, lost: [] };
    },
  };
}
