// The tasks and agents of a made-up big cluster: what each place in it holds, the same each time.
import { agentShape, frameworkShape } from './agent-life.ts';
import type { Agent, Framework, Task } from './mesos-shapes.ts';
import type { Placement } from './placement.ts';
import { executorStatus, withStatus } from './status-update.ts';
import { taskOf } from './task-shape.ts';
import type { TaskSpec } from './task-spec.ts';

export interface BigShape {
  readonly agents: number;
  readonly tasks: number;
  readonly frameworks: number;
  readonly tasksPerApp: number;
  readonly paddingBytes: number;
}

// What has changed since the beginning: the generation of a slot's task, and its health.
export interface Changes {
  readonly generation: ReadonlyMap<number, number>;
  readonly sick: ReadonlySet<number>;
}

// All that tells one task from another. Nothing in a task's JSON is computed of these but by writing them one after another.
export interface TaskFacts {
  readonly isOverlay: boolean;
  readonly healthy: boolean;
  readonly app: string;
  readonly team: string;
  readonly image: string;
  readonly overlay: string;
  readonly padding: string;
  readonly framework: string;
  readonly agentId: string;
  readonly agentIp: string;
  readonly containerIp: string;
  readonly uuid: string;
  readonly hostPort: number;
  readonly stagedAt: number;
  readonly runningAt: number;
}

export const START_MS = Date.parse('2024-09-03T01:00:00.000Z');
export const BIG_ID = '5f0c6c2e-9d1b-4f6e-8c55-000000000000';

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0');
}

function agentIp(index: number): string {
  return `10.${String(16 + (index >> 16))}.${String((index >> 8) & 255)}.${String(index & 255)}`;
}

export function bigAgent(index: number): Agent {
  const zone = `zone-${'abc'[index % 3] ?? 'a'}`;
  return agentShape(
    { zone, attributes: { rack: `r${String(index % 40)}` } },
    `${BIG_ID}-S${String(index)}`,
    agentIp(index),
    START_MS,
  );
}

export function bigFramework(index: number): Framework {
  return frameworkShape(
    { name: index === 0 ? 'marathon' : `marathon-${String(index)}` },
    `${BIG_ID}-${String(index).padStart(4, '0')}`,
    START_MS,
  );
}

export function factsOf(shape: BigShape, slot: number, changes: Changes): TaskFacts {
  const generation = changes.generation.get(slot) ?? 0;
  const app = Math.floor(slot / shape.tasksPerApp);
  const agent = slot % shape.agents;
  const stagedAt = START_MS / 1000 - 3600 + generation;
  return {
    isOverlay: app % 2 === 0,
    healthy: !changes.sick.has(slot),
    app: String(app),
    team: `team-${String(app % 50)}`,
    image: String(app % 9),
    overlay: `ovl-${String(app % 17)}`,
    padding: paddingOf(app, shape.paddingBytes),
    framework: `${BIG_ID}-${String(app % shape.frameworks).padStart(4, '0')}`,
    agentId: `${BIG_ID}-S${String(agent)}`,
    agentIp: agentIp(agent),
    containerIp: `10.${String((slot >> 16) + 64)}.${String((slot >> 8) & 255)}.${String(slot & 255)}`,
    uuid: `${hex(slot, 8)}-${hex(generation & 0xffff, 4)}-4000-8000-000000000000`,
    hostPort: 1025 + (Math.floor(slot / shape.agents) % 30_000),
    stagedAt,
    runningAt: stagedAt + 2.5,
  };
}

// Another text for each app, as base64 would be; the last one made is asked for again by the app's other tasks.
let lastPadding = { app: -1, bytes: 0, text: '' };

function paddingOf(app: number, bytes: number): string {
  if (bytes <= 0) return '';
  if (lastPadding.app !== app || lastPadding.bytes !== bytes) {
    const text = `${hex(app, 8)}eyJwYWNrYWdpbmdWZXJz`.repeat(Math.ceil(bytes / 28)).slice(0, bytes);
    lastPadding = { app, bytes, text };
  }
  return lastPadding.text;
}

function specOf(facts: TaskFacts): TaskSpec {
  const { app, team, padding } = facts;
  return {
    framework: facts.framework,
    name: `app-${app}.${team}`,
    taskId: `${team}_app-${app}.instance-${facts.uuid}._app.1`,
    image: `registry.example/${team}/app-${app}:1.${facts.image}`,
    network: facts.isOverlay ? { mode: 'docker-user', name: facts.overlay } : { mode: 'docker-bridge' },
    ports: [{ name: 'http', containerPort: 8080, labels: { VIP_0: `/${team}-${app}:80` } }],
    labels: {
      HAPROXY_GROUP: 'external',
      HAPROXY_0_VHOST: `app-${app}.${team}.example`,
      HAPROXY_0_MODE: 'http',
      team,
      ...(padding === '' ? {} : { DCOS_PACKAGE_METADATA: padding }),
    },
    healthCheck: { type: 'HTTP', path: '/health' },
    killGraceSeconds: 30,
    resources: { cpus: 0.5, mem: 512 },
  };
}

function placementOf(facts: TaskFacts, spec: TaskSpec): Placement {
  const port = { spec: spec.ports?.[0] ?? {}, containerPort: 8080 };
  const ipv4 = facts.containerIp;
  return {
    agentId: facts.agentId,
    agentIp: facts.agentIp,
    mode: facts.isOverlay ? 'docker-user' : 'docker-bridge',
    addresses: [facts.isOverlay ? { ipv4, network: facts.overlay } : { ipv4 }],
    ports: [facts.isOverlay ? port : { ...port, hostPort: facts.hostPort }],
  };
}

export function bigTask(taskFacts: TaskFacts): Task {
  const spec = specOf(taskFacts);
  const placement = placementOf(taskFacts, spec);
  const facts = { containerId: taskFacts.uuid, executorPid: 4000 };
  const stamp = { timestamp: taskFacts.stagedAt, uuid: 'AAAAAAAAAAAAAAAAAAAAAA==' };
  const staged = taskOf(spec, spec.taskId ?? '', placement);
  const started = withStatus(staged, executorStatus(staged, 'TASK_STARTING', placement, facts, stamp));
  const running = {
    ...stamp,
    healthy: taskFacts.healthy,
    timestamp: taskFacts.runningAt,
    reason: 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED',
  };
  return withStatus(started, executorStatus(started, 'TASK_RUNNING', placement, facts, running));
}
