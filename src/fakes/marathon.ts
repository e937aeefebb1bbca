// A fake Marathon over the cluster model: its API, its events, and the same deeds as methods.
import { MarathonActions } from './marathon-actions.ts';
import type { ChangeOptions, KillOptions } from './marathon-actions.ts';
import type { App, AppDefinition } from './marathon-app.ts';
import { absoluteId } from './marathon-app.ts';
import { MarathonCore } from './marathon-core.ts';
import { createEventHub } from './marathon-events.ts';
import type { MarathonEvent } from './marathon-events.ts';
import type { MarathonAuth, MarathonFaults } from './marathon-faults.ts';
import type { IdStyle } from './marathon-launch.ts';
import { MarathonMember } from './marathon-member.ts';
import type { PodDefinition } from './marathon-pod.ts';
import { MarathonReads } from './marathon-reads.ts';
import type { Deployment } from './marathon-records.ts';
import { route } from './marathon-routes.ts';
import type { FakeCluster } from './cluster.ts';
import type { Task } from './mesos-shapes.ts';
import { isTerminal } from './mesos-shapes.ts';

export interface FakeMarathonOptions {
  // The framework's name; two Marathons may share one.
  readonly name?: string;
  // Members; the first leads.
  readonly instances?: number;
  readonly version?: string;
  readonly idStyle?: IdStyle;
  // The form in which definitions are answered.
  readonly networking?: 'new' | 'old';
  // What a follower does with /v2/events: 302 as from 1.7, or proxy as before.
  readonly followers?: 'redirect' | 'proxy';
  readonly servicePortBase?: number;
  readonly auth?: MarathonAuth;
  readonly heartbeatMs?: number;
  readonly role?: string;
  readonly host?: string;
  readonly ports?: readonly number[];
  // From TASK_STAGING to the start of the task.
  readonly launchDelayMs?: number;
  readonly backoffMs?: number;
  readonly killUnhealthy?: boolean;
}

export interface LaunchedTask extends Task {
  readonly id: string;
}

export interface FakeMarathon {
  readonly name: string;
  readonly frameworkId: string;
  // The leader's, or the first member's while nobody leads.
  readonly url: string;
  readonly urls: readonly string[];
  // Each resolves when its deployment has ended, and rejects when another took its place.
  deploy(app: AppDefinition, options?: ChangeOptions): Promise<Deployment>;
  deployPod(pod: PodDefinition, options?: ChangeOptions): Promise<Deployment>;
  scale(id: string, instances: number, options?: ChangeOptions): Promise<Deployment>;
  restart(id: string, options?: ChangeOptions): Promise<Deployment>;
  remove(id: string, options?: ChangeOptions): Promise<Deployment>;
  // Resolves when the task is gone; a replacement may still be starting.
  killTask(taskId: string, options?: KillOptions): Promise<void>;
  app(id: string): App | undefined;
  apps(): readonly App[];
  // The Mesos tasks of one app or pod, oldest first, with their id at hand.
  tasks(id: string): readonly LaunchedTask[];
  // Sends an event as it stands to every stream.
  emit(eventType: string, fields?: Readonly<Record<string, unknown>>): void;
  onEvent(listener: (event: MarathonEvent) => void): () => void;
  heartbeat(): void;
  // Open event streams.
  subscribers(): number;
  // Moves the lead; event streams end. Null leaves nobody leading.
  lead(index: number | null): void;
  faults(index?: number): MarathonFaults;
  close(): Promise<void>;
}

const HEARTBEAT_MS = 10_000;

export async function startFakeMarathon(
  cluster: FakeCluster,
  options: FakeMarathonOptions = {},
): Promise<FakeMarathon> {
  const { name = 'marathon', role = 'slave_public', host = '127.0.0.1' } = options;
  const hub = createEventHub(cluster.clock, options.heartbeatMs ?? HEARTBEAT_MS, () => cluster.ids.next());
  let leader: number | null = 0;
  const member = (index: number): MarathonMember => {
    const found = members[index];
    if (found === undefined) throw new Error(`No Marathon member ${String(index)}`);
    return found;
  };
  const members = Array.from({ length: options.instances ?? 1 }, (_, index) => {
    return new MarathonMember({
      index,
      host,
      port: options.ports?.[index] ?? 0,
      followers: options.followers ?? 'redirect',
      faults: options.auth === undefined ? {} : { auth: options.auth },
      leader: () => (leader === null ? undefined : member(leader).address),
      isLeader: () => leader === index,
      hub: () => hub,
      answer: (request, response) => route(context, request, response),
    });
  });
  await Promise.all(members.map((each) => each.start()));
  const frameworkId = cluster.addFramework({ name, role, webuiUrl: member(0).url, principal: name });
  const core = new MarathonCore(cluster, hub, {
    frameworkId,
    role,
    idStyle: options.idStyle ?? 'instance',
    launchDelayMs: options.launchDelayMs ?? 0,
    backoffMs: options.backoffMs ?? 100,
    killUnhealthy: options.killUnhealthy ?? false,
  });
  const actions = new MarathonActions(core, options.servicePortBase ?? 10_000);
  const reads = new MarathonReads(core, actions, { networking: options.networking ?? 'new' });
  const info = (): Record<string, unknown> =>
    infoOf({ name, role, frameworkId, leader: leader === null ? undefined : member(leader).address, options });
  const context = { core, actions, reads, info };
  const finished = async (deployment: Deployment): Promise<Deployment> => {
    await deployment.done;
    return deployment;
  };
  return {
    name,
    frameworkId,
    get url() {
      return member(leader ?? 0).url;
    },
    urls: members.map(({ url }) => url),
    deploy: async (app, change) => finished(actions.putApp(app, change)),
    deployPod: async (pod, change) => finished(actions.putPod(pod, change)),
    scale: async (id, instances, change) => finished(actions.scale(id, instances, change)),
    restart: async (id, change) => finished(actions.restart(id, change)),
    remove: async (id, change) => finished(actions.remove(id, change)),
    async killTask(taskId, kill) {
      const gone = goneOf(cluster, taskId);
      actions.killTasks([taskId], kill);
      await gone;
    },
    app: (id) => core.records.get(absoluteId(id))?.app,
    apps: () => reads.apps().flatMap(({ app }) => (app === undefined ? [] : [app])),
    tasks: (id) =>
      (core.records.get(absoluteId(id))?.instances ?? [])
        .flatMap(({ taskIds }) => taskIds)
        .flatMap((taskId) => {
          const task = cluster.task(taskId);
          return task === undefined ? [] : [{ ...task, id: taskId }];
        }),
    emit(eventType, fields = {}) {
      hub.emit(eventType, fields);
    },
    onEvent: (listener) => hub.onEvent(listener),
    heartbeat: () => {
      hub.heartbeat();
    },
    subscribers: () => hub.size,
    lead(index) {
      if (leader !== index) hub.endAll();
      leader = index;
    },
    faults: (index) => member(index ?? leader ?? 0).faults.values,
    async close() {
      core.close();
      hub.endAll();
      await Promise.all(members.map((each) => each.close()));
    },
  };
}

function goneOf(cluster: FakeCluster, taskId: string): Promise<void> {
  const isGone = (): boolean => {
    const task = cluster.task(taskId);
    return task === undefined || isTerminal(task.state);
  };
  if (isGone()) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = cluster.onEvent(() => {
      if (!isGone()) return;
      stop();
      resolve();
    });
  });
}

interface InfoFacts {
  readonly name: string;
  readonly role: string;
  readonly frameworkId: string;
  readonly leader: string | undefined;
  readonly options: FakeMarathonOptions;
}

function infoOf({ name, role, frameworkId, leader, options }: InfoFacts): Record<string, unknown> {
  const [host = '', port = '0'] = (leader ?? '').split(':');
  return {
    name,
    version: options.version ?? '1.11.24',
    buildref: 'unknown',
    elected: leader !== undefined,
    leader,
    frameworkId,
    marathon_config: {
      checkpoint: true,
      executor: '//cmd',
      failover_timeout: 604800,
      features: ['vips', 'task_killing', 'external_volumes', 'gpu_resources'],
      framework_name: name,
      ha: true,
      hostname: host,
      leader_proxy_connection_timeout_ms: 5000,
      leader_proxy_read_timeout_ms: 10000,
      local_port_max: 20000,
      local_port_min: options.servicePortBase ?? 10000,
      master: 'zk://127.0.0.1:2181/mesos',
      mesos_bridge_name: 'mesos-bridge',
      mesos_role: role,
      webui_url: `http://${leader ?? ''}`,
    },
    zookeeper_config: { zk: `zk://127.0.0.1:2181/${name}`, zk_session_timeout: 10000, zk_timeout: 10000 },
    http_config: { http_port: Number(port), https_port: 8443 },
  };
}
