// Enters a launch in the books: an agent is picked, addresses and ports are placed, TASK_ADDED goes out.
import type { ClusterState } from './cluster-state.ts';
import type { Task } from './mesos-shapes.ts';
import { isTerminal } from './mesos-shapes.ts';
import type { Placement } from './placement.ts';
import { executorOf, podTaskOf, taskOf } from './task-shape.ts';
import type { ContainerSpec, PodSpec, ServeKind, TaskSpec } from './task-spec.ts';

const DEFAULT_GRACE_SECONDS = 3;

function pickAgent(state: ClusterState, wanted: string | undefined): { id: string; ip: string } {
  if (wanted !== undefined) return { id: wanted, ip: state.agent(wanted).ip };
  const load = new Map<string, number>();
  for (const { task, onAgent } of state.tasks.values()) {
    if (!isTerminal(onAgent.state)) load.set(task.agent_id.value, (load.get(task.agent_id.value) ?? 0) + 1);
  }
  const usable = [...state.agents].filter(([, { standing, agent }]) => standing === 'listed' && !agent.deactivated);
  const [best] = usable.sort(([a], [b]) => (load.get(a) ?? 0) - (load.get(b) ?? 0));
  if (best === undefined) throw new Error('No agent can take a task');
  return { id: best[0], ip: best[1].ip };
}

function serveKinds(placement: Placement, container: ContainerSpec): readonly ServeKind[] {
  const tcpIndex = container.healthCheck?.type === 'TCP' ? (container.healthCheck.portIndex ?? 0) : -1;
  return placement.ports.map(({ spec }) => {
    if (spec.protocol === 'udp') return 'none';
    const index = container.ports?.indexOf(spec) ?? -1;
    return spec.serve ?? (index === tcpIndex ? 'tcp' : 'http');
  });
}

function keep(
  state: ClusterState,
  task: Task,
  placement: Placement,
  serve: readonly ServeKind[],
  rest: RecordFields,
): void {
  state.keep({
    task,
    onAgent: task,
    place: 'active',
    placement,
    facts: {
      containerId: state.ids.uuid(),
      ...(rest.parentId === undefined ? {} : { parentId: rest.parentId }),
      executorPid: 1000 + Math.floor(state.ids.next() * 30_000),
    },
    killGraceMs: (rest.killGraceSeconds ?? DEFAULT_GRACE_SECONDS) * 1000,
    serve,
    waiting: [],
    workload: undefined,
    stopChecks: undefined,
    stopping: false,
    released: false,
  });
  state.emit({ type: 'TASK_ADDED', task_added: { task } });
}

interface RecordFields {
  readonly killGraceSeconds?: number | undefined;
  readonly parentId?: string;
}

export function launchTask(state: ClusterState, spec: TaskSpec): string {
  state.framework(spec.framework);
  const agent = pickAgent(state, spec.agent);
  const taskId = spec.taskId ?? `${spec.name}.${state.ids.uuid()}`;
  const fixed = spec.addresses === undefined ? {} : { fixed: spec.addresses };
  const network = spec.network ?? { mode: 'host' };
  const placement = state.plan.place(agent.id, agent.ip, network, spec.ports ?? [], {
    ipv6: spec.ipv6 === true,
    ...fixed,
  });
  const task = taskOf(spec, taskId, placement);
  keep(state, task, placement, serveKinds(placement, spec), { killGraceSeconds: spec.killGraceSeconds });
  return taskId;
}

export function launchPod(state: ClusterState, spec: PodSpec): readonly string[] {
  state.framework(spec.framework);
  const agent = pickAgent(state, spec.agent);
  const instanceId = spec.instanceId ?? `${spec.discoveryName.replaceAll('.', '_')}.instance-${state.ids.uuid()}`;
  const [safeId = '', uuid = ''] = instanceId.split('.instance-');
  const executorId = `instance-${safeId}.${uuid}`;
  const network = spec.network ?? { mode: 'ucr-overlay' };
  const ports = spec.containers.flatMap((container) => container.ports ?? []);
  const placement = state.plan.place(agent.id, agent.ip, network, ports, { ipv6: spec.ipv6 === true });
  const parentId = state.ids.uuid();
  state.executors.set(executorId, executorOf(spec, executorId, placement));
  return spec.containers.map((container) => {
    const taskId = `${instanceId}.${container.name}.1`;
    const task = podTaskOf(spec, container, { taskId, executorId }, placement);
    const serve = serveKinds(placement, container).map((kind, index) => {
      const port = placement.ports[index]?.spec;
      return port !== undefined && container.ports?.includes(port) === true ? kind : 'none';
    });
    keep(state, task, placement, serve, { killGraceSeconds: spec.killGraceSeconds, parentId });
    return taskId;
  });
}
