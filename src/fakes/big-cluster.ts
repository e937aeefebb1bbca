// A made-up big cluster that is never held: tasks and agents are generated, the same each time, while they are written.
import { agentShape, frameworkShape } from './agent-life.ts';
import type { MasterSource, MasterView, SourceEvent } from './master-source.ts';
import type { Agent, Framework, MesosEvent, Task } from './mesos-shapes.ts';
import type { Placement } from './placement.ts';
import { executorStatus, withStatus } from './status-update.ts';
import { taskOf } from './task-shape.ts';
import type { TaskSpec } from './task-spec.ts';

export interface BigClusterOptions {
  readonly agents: number;
  readonly tasks: number;
  readonly frameworks?: number;
  // Tasks of one app, so that names and VIPs repeat as they do in a real cluster.
  readonly tasksPerApp?: number;
  // Octets of a label that nobody reads, on each task, as packages bring it.
  readonly paddingBytes?: number;
}

export interface BigCluster extends MasterSource {
  // Health flips of the next `count` tasks in turn, as events.
  flip(count: number): void;
  // Kills the next `count` tasks in turn and starts others in their place: four events each.
  replaceTasks(count: number): void;
}

// What has changed since the beginning: the generation of a slot's task, and its health.
interface Changes {
  readonly generation: ReadonlyMap<number, number>;
  readonly sick: ReadonlySet<number>;
}

const START_MS = Date.parse('2024-09-03T01:00:00.000Z');
const ID = '5f0c6c2e-9d1b-4f6e-8c55-000000000000';

export function createBigCluster(options: BigClusterOptions): BigCluster {
  const shape = { frameworks: 5, tasksPerApp: 10, paddingBytes: 0, ...options };
  const listeners = new Set<(event: SourceEvent) => void>();
  const generation = new Map<number, number>();
  const sick = new Set<number>();
  let cursor = 0;
  let clock = START_MS / 1000;
  const emit = (event: MesosEvent): void => {
    for (const listener of [...listeners]) listener({ event });
  };
  const nextSlots = (count: number): readonly number[] => Array.from({ length: count }, () => cursor++ % shape.tasks);
  const updated = (task: Task): MesosEvent => {
    const status = task.statuses?.at(-1);
    if (status === undefined) throw new Error('A generated task has a status');
    clock += 0.001;
    const stamped = { ...status, timestamp: clock };
    return {
      type: 'TASK_UPDATED',
      task_updated: { framework_id: task.framework_id, status: stamped, state: task.state },
    };
  };
  return {
    masterId: ID,
    clusterName: 'big',
    view: () => bigView(shape, { generation: new Map(generation), sick: new Set(sick) }),
    onEvent(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    flip(count) {
      for (const slot of nextSlots(count)) {
        if (!sick.delete(slot)) sick.add(slot);
        emit(updated(bigTask(shape, slot, { generation, sick })));
      }
    },
    replaceTasks(count) {
      for (const slot of nextSlots(count)) {
        const old = bigTask(shape, slot, { generation, sick });
        emit(updated(withStatus(old, { ...lastStatus(old), state: 'TASK_KILLING' })));
        emit(updated(withStatus(old, { ...lastStatus(old), state: 'TASK_KILLED' })));
        generation.set(slot, (generation.get(slot) ?? 0) + 1);
        sick.delete(slot);
        const fresh = bigTask(shape, slot, { generation, sick });
        const { statuses: _none, ...staging } = fresh;
        emit({ type: 'TASK_ADDED', task_added: { task: { ...staging, state: 'TASK_STAGING' } } });
        emit(updated(fresh));
      }
    },
  };
}

type Shape = Required<BigClusterOptions>;

function lastStatus(task: Task): NonNullable<Task['statuses']>[number] {
  const status = task.statuses?.at(-1);
  if (status === undefined) throw new Error('A generated task has a status');
  return status;
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0');
}

function agentIp(index: number): string {
  return `10.${String(16 + (index >> 16))}.${String((index >> 8) & 255)}.${String(index & 255)}`;
}

function bigAgent(index: number): Agent {
  const zone = `zone-${'abc'[index % 3] ?? 'a'}`;
  return agentShape(
    { zone, attributes: { rack: `r${String(index % 40)}` } },
    `${ID}-S${String(index)}`,
    agentIp(index),
    START_MS,
  );
}

function bigFramework(index: number): Framework {
  return frameworkShape(
    { name: index === 0 ? 'marathon' : `marathon-${String(index)}` },
    `${ID}-${String(index).padStart(4, '0')}`,
    START_MS,
  );
}

function specOf(shape: Shape, slot: number, taskId: string): TaskSpec {
  const app = Math.floor(slot / shape.tasksPerApp);
  const team = `team-${String(app % 50)}`;
  const overlay = app % 2 === 0;
  return {
    framework: `${ID}-${String(app % shape.frameworks).padStart(4, '0')}`,
    name: `app-${String(app)}.${team}`,
    taskId,
    image: `registry.example/${team}/app-${String(app)}:1.${String(app % 9)}`,
    network: overlay ? { mode: 'docker-user', name: `ovl-${String(app % 17)}` } : { mode: 'docker-bridge' },
    ports: [{ name: 'http', containerPort: 8080, labels: { VIP_0: `/${team}-${String(app)}:80` } }],
    labels: {
      HAPROXY_GROUP: 'external',
      HAPROXY_0_VHOST: `app-${String(app)}.${team}.example`,
      HAPROXY_0_MODE: 'http',
      team,
      ...(shape.paddingBytes > 0 ? { DCOS_PACKAGE_METADATA: padding(app, shape.paddingBytes) } : {}),
    },
    healthCheck: { type: 'HTTP', path: '/health' },
    killGraceSeconds: 30,
    resources: { cpus: 0.5, mem: 512 },
  };
}

// Another text for each app, as base64 would be.
function padding(app: number, bytes: number): string {
  return `${hex(app, 8)}eyJwYWNrYWdpbmdWZXJz`.repeat(Math.ceil(bytes / 28)).slice(0, bytes);
}

function placementOf(shape: Shape, slot: number, spec: TaskSpec): Placement {
  const agent = slot % shape.agents;
  const network = spec.network?.name;
  const octets = `${String((slot >> 16) + 64)}.${String((slot >> 8) & 255)}.${String(slot & 255)}`;
  const port = { spec: spec.ports?.[0] ?? {}, containerPort: 8080 };
  const hostPort = 1025 + (Math.floor(slot / shape.agents) % 30_000);
  return {
    agentId: `${ID}-S${String(agent)}`,
    agentIp: agentIp(agent),
    mode: network === undefined ? 'docker-bridge' : 'docker-user',
    addresses: [{ ipv4: `10.${octets}`, ...(network === undefined ? {} : { network }) }],
    ports: [network === undefined ? { ...port, hostPort } : port],
  };
}

function bigTask(shape: Shape, slot: number, changes: Changes): Task {
  const generation = changes.generation.get(slot) ?? 0;
  const app = Math.floor(slot / shape.tasksPerApp);
  const uuid = `${hex(slot, 8)}-${hex(generation & 0xffff, 4)}-4000-8000-000000000000`;
  const spec = specOf(shape, slot, `team-${String(app % 50)}_app-${String(app)}.instance-${uuid}._app.1`);
  const placement = placementOf(shape, slot, spec);
  const facts = { containerId: uuid, executorPid: 4000 };
  const stamp = { timestamp: START_MS / 1000 - 3600 + generation, uuid: 'AAAAAAAAAAAAAAAAAAAAAA==' };
  const staged = taskOf(spec, spec.taskId ?? '', placement);
  const started = withStatus(staged, executorStatus(staged, 'TASK_STARTING', placement, facts, stamp));
  const healthy = !changes.sick.has(slot);
  const running = {
    ...stamp,
    healthy,
    timestamp: stamp.timestamp + 2.5,
    reason: 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED',
  };
  return withStatus(started, executorStatus(started, 'TASK_RUNNING', placement, facts, running));
}

// An iterable that starts over each time it is read.
function generated<Item>(count: number, make: (index: number) => Item): Iterable<Item> {
  return {
    *[Symbol.iterator]() {
      for (let index = 0; index < count; index++) yield make(index);
    },
  };
}

function bigView(shape: Shape, changes: Changes): MasterView {
  return {
    tasks: generated(shape.tasks, (slot) => bigTask(shape, slot, changes)),
    unreachableTasks: [],
    completedTasks: [],
    executors: [],
    frameworks: generated(shape.frameworks, bigFramework),
    completedFrameworks: [],
    agents: generated(shape.agents, bigAgent),
    recoveredAgents: [],
  };
}
