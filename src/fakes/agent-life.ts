// The life of agents and frameworks in the model, failover included, in the order the stream shows it (spec §1.8, §1.9).
import type { AgentRecord, ClusterState, TaskRecord } from './cluster-state.ts';
import type { Agent, Framework, FrameworkInfo, Resource, TaskState } from './mesos-shapes.ts';
import { isTerminal } from './mesos-shapes.ts';
import { masterStatus } from './status-update.ts';

export interface AgentSpec {
  readonly ip?: string;
  // Left out: the address, as DC/OS does.
  readonly hostname?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly zone?: string;
  readonly region?: string;
  readonly cpus?: number;
  readonly mem?: number;
  readonly version?: string;
}

export interface FrameworkSpec {
  readonly name: string;
  readonly principal?: string;
  readonly hostname?: string;
  readonly webuiUrl?: string;
  readonly role?: string;
  readonly capabilities?: readonly string[];
}

export interface AgentLife {
  addAgent(spec?: AgentSpec): string;
  // Partitioned: tasks run on, unless they crash with it.
  loseAgent(agentId: string, options?: { readonly crash?: boolean }): void;
  markAgentGone(agentId: string): void;
  returnAgent(agentId: string): void;
  removeAgent(agentId: string): void;
  deactivateAgent(agentId: string): void;
  drainAgent(agentId: string): void;
  addFramework(spec: FrameworkSpec): string;
  disconnectFramework(frameworkId: string): void;
  resubscribeFramework(frameworkId: string): void;
  removeFramework(frameworkId: string): void;
  failover(): void;
  reregisterAgent(agentId: string): void;
  forgetRecovered(agentId: string): void;
  recover(): void;
}

const FIRST_WITH_RECOVERED_FRAMEWORKS = 9;
const AGENT_CAPABILITIES = [
  'MULTI_ROLE',
  'HIERARCHICAL_ROLE',
  'RESERVATION_REFINEMENT',
  'AGENT_DRAINING',
  'TASK_RESOURCE_LIMITS',
];
const SCHEDULER_CAPABILITIES = ['TASK_KILLING_STATE', 'GPU_RESOURCES', 'PARTITION_AWARE', 'REGION_AWARE'];

function nanoseconds(ms: number): { readonly nanoseconds: number } {
  return { nanoseconds: Math.floor(ms) * 1e6 };
}

function agentResources(spec: AgentSpec): readonly Resource[] {
  return [
    { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: 1025, end: 32_000 }] } },
    { name: 'disk', type: 'SCALAR', scalar: { value: 409_600 } },
    { name: 'cpus', type: 'SCALAR', scalar: { value: spec.cpus ?? 16 } },
    { name: 'mem', type: 'SCALAR', scalar: { value: spec.mem ?? 63_488 } },
  ];
}

export function agentShape(spec: AgentSpec, id: string, ip: string, nowMs: number): Agent {
  const resources = agentResources(spec);
  const host = ip.includes(':') ? `[${ip}]` : ip;
  const attributes = Object.entries(spec.attributes ?? {}).map(([name, value]) => ({
    name,
    type: 'TEXT',
    text: { value },
  }));
  return {
    agent_info: {
      hostname: spec.hostname ?? ip,
      port: 5051,
      resources,
      ...(attributes.length === 0 ? {} : { attributes }),
      id: { value: id },
      ...(spec.zone === undefined
        ? {}
        : { domain: { fault_domain: { region: { name: spec.region ?? 'region-1' }, zone: { name: spec.zone } } } }),
    },
    active: true,
    deactivated: false,
    version: spec.version ?? '1.11.0',
    pid: `slave(1)@${host}:5051`,
    registered_time: nanoseconds(nowMs),
    total_resources: resources.map((resource) => ({ ...resource, role: '*' })),
    capabilities: AGENT_CAPABILITIES.map((type) => ({ type })),
  };
}

export function frameworkShape(spec: FrameworkSpec, id: string, nowMs: number): Framework {
  const info: FrameworkInfo = {
    user: 'root',
    name: spec.name,
    id: { value: id },
    failover_timeout: 604_800,
    checkpoint: true,
    role: spec.role ?? '*',
    hostname: spec.hostname ?? '10.0.0.11',
    ...(spec.principal === undefined ? {} : { principal: spec.principal }),
    ...(spec.webuiUrl === undefined ? {} : { webui_url: spec.webuiUrl }),
    capabilities: (spec.capabilities ?? SCHEDULER_CAPABILITIES).map((type) => ({ type })),
  };
  const time = nanoseconds(nowMs);
  return {
    framework_info: info,
    active: true,
    connected: true,
    recovered: false,
    registered_time: time,
    reregistered_time: time,
  };
}

export function createAgentLife(state: ClusterState): AgentLife {
  const addFramework = (spec: FrameworkSpec): string => {
    const id = state.nextFrameworkId();
    const framework = frameworkShape(spec, id, state.clock.now());
    state.frameworks.set(id, { framework, known: true, completed: false });
    state.emit({ type: 'FRAMEWORK_ADDED', framework_added: { framework } });
    return id;
  };
  const reregisterAgent = (id: string): void => {
    reregister(state, id);
  };
  const resubscribeFramework = (id: string): void => {
    resubscribe(state, id);
  };
  const life: AgentLife = {
    addAgent(spec = {}) {
      const id = state.nextAgentId();
      const ip = spec.ip ?? state.plan.nextAgentIp();
      const agent = agentShape(spec, id, ip, state.clock.now());
      state.agents.set(id, { agent, ip, standing: 'listed' });
      state.emit({ type: 'AGENT_ADDED', agent_added: { agent } });
      return id;
    },
    loseAgent(id, { crash = false } = {}) {
      const { ip } = leave(state, id, 'lost');
      for (const record of tasksOn(state, id)) {
        if (crash) crashUnseen(state, record);
        orphan(
          state,
          record,
          'TASK_UNREACHABLE',
          'REASON_AGENT_REMOVED',
          `Agent ${ip} is unreachable: health check timed out`,
        );
      }
    },
    markAgentGone(id) {
      const { ip } = leave(state, id, 'removed');
      for (const record of tasksOn(state, id)) {
        crashUnseen(state, record);
        orphan(
          state,
          record,
          'TASK_GONE_BY_OPERATOR',
          'REASON_AGENT_REMOVED_BY_OPERATOR',
          `Agent ${ip} was marked gone`,
        );
      }
    },
    returnAgent: reregisterAgent,
    removeAgent(id) {
      const { ip } = leave(state, id, 'removed');
      for (const record of tasksOn(state, id)) {
        crashUnseen(state, record);
        orphan(state, record, 'TASK_LOST', 'REASON_AGENT_REMOVED', `Agent ${ip} removed: agent unregistered`);
      }
      state.emit({ type: 'AGENT_REMOVED', agent_removed: { agent_id: { value: id } } });
    },
    deactivateAgent(id) {
      const record = state.agent(id);
      record.agent = { ...record.agent, deactivated: true };
    },
    drainAgent(id) {
      const record = state.agent(id);
      record.agent = {
        ...record.agent,
        deactivated: true,
        drain_info: { state: 'DRAINING', config: { mark_gone: false } },
      };
    },
    addFramework,
    disconnectFramework(id) {
      const record = state.framework(id);
      record.framework = { ...record.framework, active: false, connected: false };
    },
    resubscribeFramework,
    removeFramework(id) {
      removeFramework(state, id);
    },
    failover() {
      emptyView(state);
    },
    reregisterAgent,
    forgetRecovered(id) {
      state.agent(id).standing = 'lost';
    },
    recover() {
      const recovered = [...state.agents].filter(([, { standing }]) => standing === 'recovered').map(([id]) => id);
      const half = Math.ceil(recovered.length / 2);
      recovered.slice(0, half).forEach(reregisterAgent);
      for (const [id, { completed }] of state.frameworks) if (!completed) resubscribeFramework(id);
      recovered.slice(half).forEach(reregisterAgent);
    },
  };
  return life;
}

function tasksOn(state: ClusterState, agentId: string): readonly TaskRecord[] {
  return state.tasksOn(agentId).filter(({ place }) => place === 'active');
}

function leave(state: ClusterState, agentId: string, standing: 'lost' | 'removed'): AgentRecord {
  const record = state.agent(agentId);
  record.standing = standing;
  return record;
}

function crashUnseen(state: ClusterState, record: TaskRecord): void {
  record.stopChecks?.();
  if (!isTerminal(record.onAgent.state)) record.onAgent = { ...record.onAgent, state: 'TASK_FAILED' };
  const { workload } = record;
  workload?.kill();
  if (record.released) return;
  record.released = true;
  void (workload?.exited ?? Promise.resolve()).then(() => {
    state.plan.release(record.placement);
  });
}

// The master's verdict on a task whose agent went: schedulers without PARTITION_AWARE hear TASK_LOST in place of the newer states.
function orphan(state: ClusterState, record: TaskRecord, wanted: TaskState, reason: string, message: string): void {
  const to = state.hasCapability(record, 'PARTITION_AWARE') ? wanted : 'TASK_LOST';
  const unreachable = wanted === 'TASK_UNREACHABLE';
  const status = masterStatus(record.task, to, { reason, message, timestamp: state.timestamp(), unreachable });
  record.waiting = [];
  state.decree(record, status, unreachable ? 'unreachable' : 'completed');
}

function announce(state: ClusterState, record: TaskRecord): void {
  record.task = record.onAgent;
  record.place = 'active';
  record.waiting = [];
  state.emit({ type: 'TASK_ADDED', task_added: { task: record.task } });
  // A terminal task comes along until its scheduler has acknowledged it.
  if (isTerminal(record.task.state)) record.place = 'completed';
}

function reregister(state: ClusterState, agentId: string): void {
  const record = state.agent(agentId);
  const wasLost = record.standing === 'lost';
  record.standing = 'listed';
  record.agent = { ...record.agent, active: true, reregistered_time: nanoseconds(state.clock.now()) };
  const own = state
    .tasksOn(agentId)
    .filter(
      ({ place, onAgent }) =>
        (place === 'unreachable' || place === 'forgotten') && (wasLost || !isTerminal(onAgent.state)),
    );
  const isKnown = ({ task }: TaskRecord): boolean => state.framework(task.framework_id.value).known;
  const known = own.filter(isKnown);
  const unknown = own.filter((task) => !isKnown(task));
  for (const task of known) announce(state, task);
  state.emit({ type: 'AGENT_ADDED', agent_added: { agent: record.agent } });
  for (const [frameworkId, tasks] of Map.groupBy(unknown, ({ task }) => task.framework_id.value)) {
    recoverFramework(state, frameworkId);
    for (const task of tasks) announce(state, task);
  }
}

function recoverFramework(state: ClusterState, frameworkId: string): void {
  const record = state.framework(frameworkId);
  const { reregistered_time: _unset, ...rest } = record.framework;
  record.known = true;
  record.framework = { ...rest, active: false, connected: false, recovered: true, registered_time: nanoseconds(0) };
  state.emit(
    { type: 'FRAMEWORK_ADDED', framework_added: { framework: record.framework } },
    FIRST_WITH_RECOVERED_FRAMEWORKS,
  );
}

function resubscribe(state: ClusterState, frameworkId: string): void {
  const record = state.framework(frameworkId);
  const time = nanoseconds(state.clock.now());
  const wasKnown = record.known;
  const registered =
    record.framework.registered_time.nanoseconds === 0 || !wasKnown ? time : record.framework.registered_time;
  record.known = true;
  record.framework = {
    ...record.framework,
    active: true,
    connected: true,
    recovered: false,
    registered_time: registered,
    reregistered_time: time,
  };
  const framework = { framework: record.framework };
  if (wasKnown) state.emit({ type: 'FRAMEWORK_UPDATED', framework_updated: framework });
  else state.emit({ type: 'FRAMEWORK_ADDED', framework_added: framework });
  for (const task of state.tasks.values())
    if (task.task.framework_id.value === frameworkId && task.place === 'active') state.flush(task);
}

function removeFramework(state: ClusterState, frameworkId: string): void {
  const record = state.framework(frameworkId);
  for (const task of state.tasks.values()) {
    if (task.task.framework_id.value !== frameworkId || task.place === 'completed') continue;
    const message = `Framework ${frameworkId} removed`;
    const status = masterStatus(task.task, 'TASK_KILLED', {
      reason: 'REASON_FRAMEWORK_REMOVED',
      message,
      timestamp: state.timestamp(),
      unreachable: false,
    });
    crashUnseen(state, task);
    if (task.place === 'active') state.decree(task, status, 'completed');
  }
  record.completed = true;
  record.framework = {
    ...record.framework,
    active: false,
    connected: false,
    unregistered_time: nanoseconds(state.clock.now()),
  };
  state.emit({ type: 'FRAMEWORK_REMOVED', framework_removed: { framework_info: record.framework.framework_info } });
}

// A new leader knows the registry's agents and nothing else.
function emptyView(state: ClusterState): void {
  state.masterId = state.ids.uuid();
  for (const record of state.agents.values()) if (record.standing === 'listed') record.standing = 'recovered';
  for (const record of state.frameworks.values()) record.known = false;
  for (const record of state.tasks.values()) {
    record.place = 'forgotten';
    record.waiting = [];
  }
}
