// Writes the same picture as the v0 `/state`: flat ids, resources as objects, tasks under their frameworks.
import type { MasterView } from './master-source.ts';
import type {
  Agent,
  AgentInfo,
  Executor,
  Framework,
  Labels,
  NetworkInfo,
  Resource,
  Task,
  TaskStatus,
} from './mesos-shapes.ts';

interface StateHead {
  readonly version: string;
  readonly masterId: string;
  readonly hostname: string;
  readonly port: number;
  readonly clusterName: string;
  readonly leader: { readonly hostname: string; readonly port: number };
  readonly startTimeMs: number;
}

function seconds(time: { readonly nanoseconds: number } | undefined): number {
  return (time?.nanoseconds ?? 0) / 1e9;
}

function resourcesV0(resources: readonly Resource[]): Record<string, number | string> {
  const found: Record<string, number | string> = { cpus: 0, gpus: 0, mem: 0, disk: 0 };
  for (const { name, scalar, ranges } of resources) {
    if (scalar !== undefined) found[name] = scalar.value;
    if (ranges !== undefined)
      found[name] = `[${ranges.range.map(({ begin, end }) => `${String(begin)}-${String(end)}`).join(', ')}]`;
  }
  return found;
}

function labelsV0(labels: Labels | undefined): { labels?: unknown } {
  return labels === undefined ? {} : { labels: labels.labels ?? [] };
}

function networkV0(info: NetworkInfo): unknown {
  return { ...info, ...labelsV0(info.labels) };
}

function statusV0(status: TaskStatus): unknown {
  const container = status.container_status;
  return {
    state: status.state,
    timestamp: status.timestamp,
    ...(container === undefined
      ? {}
      : {
          container_status: {
            container_id: container.container_id,
            ...(container.network_infos === undefined ? {} : { network_infos: container.network_infos.map(networkV0) }),
          },
        }),
    ...(status.healthy === undefined ? {} : { healthy: status.healthy }),
  };
}

function taskV0(task: Task): unknown {
  return {
    id: task.task_id.value,
    name: task.name,
    framework_id: task.framework_id.value,
    executor_id: task.executor_id?.value ?? '',
    slave_id: task.agent_id.value,
    state: task.state,
    resources: resourcesV0(task.resources),
    role: task.resources[0]?.allocation_info?.role ?? '*',
    statuses: (task.statuses ?? []).map(statusV0),
    ...labelsV0(task.labels),
    ...(task.discovery === undefined ? {} : { discovery: task.discovery }),
    ...(task.container === undefined ? {} : { container: task.container }),
    ...(task.health_check === undefined ? {} : { health_check: task.health_check }),
    ...(task.user === undefined ? {} : { user: task.user }),
  };
}

function agentInfoV0(info: AgentInfo): Record<string, unknown> {
  const attributes = Object.fromEntries((info.attributes ?? []).map(({ name, text }) => [name, text.value]));
  return {
    id: info.id.value,
    hostname: info.hostname,
    port: info.port,
    attributes,
    ...(info.domain === undefined ? {} : { domain: info.domain }),
  };
}

function agentV0(agent: Agent): unknown {
  const used = agent.allocated_resources ?? [];
  return {
    ...agentInfoV0(agent.agent_info),
    pid: agent.pid,
    registered_time: seconds(agent.registered_time),
    ...(agent.reregistered_time === undefined ? {} : { reregistered_time: seconds(agent.reregistered_time) }),
    resources: resourcesV0(agent.total_resources),
    used_resources: resourcesV0(used),
    offered_resources: resourcesV0([]),
    active: agent.active,
    deactivated: agent.deactivated,
    version: agent.version,
    capabilities: (agent.capabilities ?? []).map(({ type }) => type),
  };
}

function executorV0({ executor_info: info, agent_id }: Executor): unknown {
  return {
    executor_id: info.executor_id.value,
    name: '',
    framework_id: info.framework_id.value,
    command: { argv: [], uris: [], value: '' },
    resources: resourcesV0(info.resources),
    role: info.resources[0]?.allocation_info?.role ?? '*',
    ...labelsV0(info.labels),
    type: info.type,
    slave_id: agent_id.value,
  };
}

function frameworkHeadV0(framework: Framework): Record<string, unknown> {
  const info = framework.framework_info;
  const used = resourcesV0(framework.allocated_resources ?? []);
  return {
    id: info.id.value,
    name: info.name,
    pid: `scheduler-${info.id.value.slice(-4)}@${info.hostname}:15101`,
    used_resources: used,
    offered_resources: resourcesV0([]),
    capabilities: info.capabilities.map(({ type }) => type),
    hostname: info.hostname,
    ...(info.webui_url === undefined ? {} : { webui_url: info.webui_url }),
    active: framework.active,
    connected: framework.connected,
    recovered: framework.recovered,
    user: info.user,
    failover_timeout: info.failover_timeout,
    checkpoint: info.checkpoint,
    registered_time: seconds(framework.registered_time),
    unregistered_time: seconds(framework.unregistered_time),
    ...(info.principal === undefined ? {} : { principal: info.principal }),
    resources: used,
    ...(info.role === undefined ? { roles: info.roles ?? [] } : { role: info.role }),
  };
}

function* arrayParts(name: string, items: Iterable<unknown>): Generator<string> {
  yield `,"${name}":[`;
  let first = true;
  for (const item of items) {
    yield (first ? '' : ',') + JSON.stringify(item);
    first = false;
  }
  yield ']';
}

function* tasksOf(id: string, tasks: Iterable<Task>): Generator<unknown> {
  for (const task of tasks) if (task.framework_id.value === id) yield taskV0(task);
}

function* executorsOf(id: string, executors: Iterable<Executor>): Generator<unknown> {
  for (const executor of executors) if (executor.executor_info.framework_id.value === id) yield executorV0(executor);
}

function* frameworkParts(framework: Framework, view: MasterView): Generator<string> {
  const id = framework.framework_info.id.value;
  yield JSON.stringify(frameworkHeadV0(framework)).slice(0, -1);
  yield* arrayParts('tasks', tasksOf(id, view.tasks));
  yield* arrayParts('unreachable_tasks', tasksOf(id, view.unreachableTasks));
  yield* arrayParts('completed_tasks', tasksOf(id, view.completedTasks));
  yield* arrayParts('executors', executorsOf(id, view.executors));
  yield ',"offers":[]}';
}

function* frameworksParts(name: string, frameworks: Iterable<Framework>, view: MasterView): Generator<string> {
  yield `,"${name}":[`;
  let first = true;
  for (const framework of frameworks) {
    if (!first) yield ',';
    first = false;
    yield* frameworkParts(framework, view);
  }
  yield ']';
}

function* mapped<From>(items: Iterable<From>, to: (item: From) => unknown): Generator<unknown> {
  for (const item of items) yield to(item);
}

function headV0(head: StateHead): Record<string, unknown> {
  const leader = `master@${head.leader.hostname}:${String(head.leader.port)}`;
  return {
    version: head.version,
    git_sha: '0'.repeat(40),
    build_date: '2020-11-17 09:00:00',
    build_time: 1605603600,
    build_user: 'builder',
    start_time: head.startTimeMs / 1000,
    elected_time: head.startTimeMs / 1000,
    id: head.masterId,
    pid: `master@${head.hostname}:${String(head.port)}`,
    hostname: head.hostname,
    capabilities: ['AGENT_UPDATE', 'AGENT_DRAINING', 'QUOTA_V2'],
    leader,
    leader_info: { id: head.masterId, pid: leader, port: head.leader.port, hostname: head.leader.hostname },
    cluster: head.clusterName,
    flags: masterFlags(head.port),
  };
}

export function masterFlags(port: number): Record<string, string> {
  return {
    agent_ping_timeout: '15secs',
    agent_reregister_timeout: '10mins',
    max_agent_ping_timeouts: '5',
    max_completed_frameworks: '50',
    max_completed_tasks_per_framework: '1000',
    max_operator_event_stream_subscribers: '1000',
    port: String(port),
    quorum: '1',
    registry: 'replicated_log',
    zk_session_timeout: '10secs',
  };
}

export function* stateParts(view: MasterView, head: StateHead): Generator<string> {
  let active = 0;
  for (const agent of view.agents) if (agent.active) active++;
  const counters = { activated_slaves: active, deactivated_slaves: 0, unreachable_slaves: 0 };
  yield JSON.stringify({ ...headV0(head), ...counters }).slice(0, -1);
  yield* arrayParts('slaves', mapped(view.agents, agentV0));
  yield* arrayParts('recovered_slaves', mapped(view.recoveredAgents, agentInfoV0));
  yield* frameworksParts('frameworks', view.frameworks, view);
  yield* frameworksParts('completed_frameworks', view.completedFrameworks, view);
  yield ',"orphan_tasks":[],"unregistered_frameworks":[]}';
}
