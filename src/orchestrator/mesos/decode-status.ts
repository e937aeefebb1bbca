// Statuses of a task: where it is and how it is. TASK_RUNNING speaks of addresses: Docker's other statuses carry the agent's
// (specs/orchestrator.md §0.8, §1.7). `data` is never looked at.

import {
  noLabels,
  type Labels,
  type NetworkMode,
  type PortMapping,
  type TaskAddress,
  type TaskState,
} from '../../cluster/index.ts';
import { flagOf, listOf, numberOf, objectOf, textOf } from '../json.ts';
import { intern, isIp, labelsOf } from './fields.ts';
import { mappingsOfInfos, modeOfInfos, noMappings } from './networks.ts';

export interface StatusFacts {
  readonly state: TaskState;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly healthy: boolean | null;
  readonly labels: Labels;
  /** Null where the status has no container_status at all. */
  readonly addresses: readonly TaskAddress[] | null;
  readonly mappings: readonly PortMapping[];
  readonly mode: NetworkMode | null;
  /** Told by the master because the agent has gone for it. */
  readonly agentGone: boolean;
}

export const noAddresses: readonly TaskAddress[] = Object.freeze([]);

const states: ReadonlySet<string> = new Set<TaskState>([
  'TASK_STAGING',
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
  'TASK_UNREACHABLE',
  'TASK_UNKNOWN',
]);

/** A task state by name; TASK_UNKNOWN for one that this code does not know. */
export const stateOf = (value: unknown): TaskState =>
  typeof value === 'string' && states.has(value) ? (value as TaskState) : 'TASK_UNKNOWN';

export function decodeStatus(value: unknown): StatusFacts {
  const raw = objectOf(value);
  const container = objectOf(raw['container_status']);
  const infos = listOf(container['network_infos']);
  const reason = textOf(raw['reason']) ?? '';
  return {
    state: stateOf(raw['state']),
    at: Math.round((numberOf(raw['timestamp']) ?? 0) * 1000),
    healthy: flagOf(raw['healthy']),
    labels: labelsOf(raw['labels']),
    addresses: raw['container_status'] === undefined ? null : addressesOfInfos(infos),
    mappings: mappingsOfInfos(infos),
    mode: modeOfInfos(infos),
    agentGone: raw['source'] === 'SOURCE_MASTER' && reason.startsWith('REASON_AGENT_REMOVED'),
  };
}

/** The status of `state` with the greatest time; the first of equals. */
export function newestOf(statuses: unknown, state: TaskState): StatusFacts | null {
  let newest: unknown = null;
  let newestAt = -Infinity;
  for (const status of listOf(statuses)) {
    const raw = objectOf(status);
    const at = numberOf(raw['timestamp']) ?? 0;
    if (raw['state'] !== state || at <= newestAt) continue;
    newest = status;
    newestAt = at;
  }
  return newest === null ? null : decodeStatus(newest);
}

/** Each NetworkInfo is one network with an address of each family; `ip_address` beside is the form of 0.25. */
function addressesOfInfos(infos: readonly unknown[]): readonly TaskAddress[] {
  const addresses: TaskAddress[] = [];
  for (const info of infos) {
    const raw = objectOf(info);
    const name = textOf(raw['name']);
    const network = name === null || name === '' ? null : intern(name);
    const listed = listOf(raw['ip_addresses']);
    for (const item of listed.length > 0 ? listed : [raw]) {
      const ip = textOf(objectOf(item)['ip_address']);
      if (ip !== null && isIp(ip)) addresses.push(Object.freeze({ ip: ip.toLowerCase(), network }));
    }
  }
  return addresses.length === 0 ? noAddresses : Object.freeze(addresses);
}

export const noStatus: StatusFacts = Object.freeze({
  state: 'TASK_STAGING',
  at: 0,
  healthy: null,
  labels: noLabels,
  addresses: null,
  mappings: noMappings,
  mode: null,
  agentGone: false,
});
