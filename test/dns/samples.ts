// Tasks, agents and zones for the tests of DNS.

import {
  agentId,
  emptySnapshot,
  frameworkId,
  noLabels,
  reduce,
  taskId,
  type Agent,
  type ClusterEvent,
  type Framework,
  type Masters,
  type Task,
  type TaskPort,
  type WritableSnapshot,
} from '../../src/cluster/index.ts';
import { sampleTask as plainTask } from '../cluster/sample-task.ts';
import { createZonePlane, type ZoneIndex } from '../../dns/zone-plane.ts';
import { createZoneView, type ZoneOptions, type ZoneView } from '../../dns/index.ts';
import type { Plane, TableChange } from '../../src/ports/index.ts';

const marathonId = '20140703-014514-3041283216-5050-5348-0000';

/** A running task of Marathon's on agent …-S0 at 10.0.0.7, without ports. */
export function sampleTask(changes: Partial<Task> & { readonly id?: Task['id'] } = {}): Task {
  const ours = {
    agentId: agentId('20140827-000744-3041283216-5050-2116-S0'),
    agentIp: '10.0.0.7',
    agentIps: ['10.0.0.7'],
  };
  return plainTask(changes.id ?? 'web.1', { frameworkId: frameworkId(marathonId), name: 'web', ...ours, ...changes });
}

export function samplePort(changes: Partial<TaskPort> = {}): TaskPort {
  return {
    name: null,
    protocol: 'tcp',
    scope: 'host',
    hostPort: 31000,
    containerPort: null,
    network: null,
    vips: [],
    labels: noLabels,
    ...changes,
  };
}

/** The task of specs/dns.md §3.3. */
export const workedExample = (): Task =>
  sampleTask({
    id: taskId('app.sub.group.1b2c3d4e-0000-11ea-8d71-362b9e155667'),
    name: 'app.sub.group',
    discoveryName: 'app.sub.group',
    addresses: [{ ip: '9.0.1.2', network: 'dcos' }],
    ports: [samplePort({ name: 'http' })],
    hostPorts: [31000],
  });

export function sampleAgent(id: string, ip: string | null, port = 5051): Agent {
  return {
    id: agentId(id),
    ip,
    ips: ip === null ? [] : [ip],
    hostname: 'agent.example',
    port,
    region: null,
    zone: null,
    attributes: {},
    active: true,
  };
}

export function sampleFramework(id: string, name: string, pid: string | null): Framework {
  return { id: frameworkId(id), name, hostname: '', pid, webuiUrl: null, active: true };
}

export const sampleMasters: Masters = {
  leader: { ip: '10.0.0.1', port: 5050 },
  all: [
    { ip: '10.0.0.1', port: 5050 },
    { ip: '10.0.0.2', port: 5050 },
  ],
};

/** A snapshot with these events folded in, and the last delta. */
export function snapshotOf(...events: readonly ClusterEvent[]): WritableSnapshot {
  const snapshot = emptySnapshot();
  for (const event of events) reduce(snapshot, event);
  return snapshot;
}

export const putTask = (task: Task): ClusterEvent => ({ type: 'task', key: task.key, task });
export const dropTask = (task: Task): ClusterEvent => ({ type: 'task', key: task.key, task: null });

export interface LiveZone {
  readonly snapshot: WritableSnapshot;
  readonly view: ZoneView;
  readonly plane: Plane<string>;
  readonly index: ZoneIndex;
  /** Folds an event and brings view and plane after it, as JSON the way a worker gets it. */
  feed(event: ClusterEvent): TableChange<string>;
}

/** View and plane over one snapshot, which starts with `events`. */
export function liveZone(options: ZoneOptions = {}, ...events: readonly ClusterEvent[]): LiveZone {
  const snapshot = snapshotOf(...events);
  const view = createZoneView(options);
  const { plane, index } = createZonePlane({
    domain: options.domain ?? 'mesos',
    negativeTtlSeconds: 5,
    now: () => 1_800_000_000_000,
    zoneNames: { value: 0 },
    compiledNames: { value: 0 },
  });
  view.rebuild(snapshot);
  void plane.replace(throughJson(view.table));
  return {
    snapshot,
    view,
    plane,
    index,
    feed(event) {
      const delta = reduce(snapshot, event);
      const change = view.derive(delta, snapshot);
      void plane.apply(JSON.parse(JSON.stringify(change)) as typeof change, view.table);
      return change;
    },
  };
}

function throughJson(table: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map(JSON.parse(JSON.stringify([...table])) as [string, string][]);
}
