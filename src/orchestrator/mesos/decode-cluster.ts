// Agents, frameworks, executors and masters of Mesos as core records. Pure; both spellings.

import {
  agentId,
  frameworkId,
  type Agent,
  type AgentId,
  type Framework,
  type FrameworkId,
  type Labels,
  type MasterAddress,
} from '../../cluster/index.ts';
import { flagOf, numberOf, objectOf, textOf } from '../json.ts';
import { addressOfPid, attributesOf, idOf, intern, isIp, labelsOf } from './fields.ts';
import { decodeNetworks, type Networks } from './networks.ts';

const defaultAgentPort = 5051;
const defaultMasterPort = 5050;

/** An agent of `get_agents.agents`, AGENT_ADDED or `slaves`; null without id. `ip` is null where only a host name is known. */
export function decodeAgent(value: unknown): Agent | null {
  const raw = objectOf(value);
  const info = raw['agent_info'] === undefined ? raw : objectOf(raw['agent_info']);
  const id = idOf(info['id']);
  if (id === null) return null;
  const hostname = textOf(info['hostname']) ?? '';
  const pid = addressOfPid(textOf(raw['pid']));
  const ip = pid?.ip ?? addressOfHost(hostname);
  const domain = objectOf(objectOf(info['domain'])['fault_domain']);
  return Object.freeze({
    id: agentId(intern(id)),
    ip,
    ips: Object.freeze(ip === null ? [] : [ip]),
    hostname,
    port: pid?.port ?? numberOf(info['port']) ?? defaultAgentPort,
    region: textOf(objectOf(domain['region'])['name']),
    zone: textOf(objectOf(domain['zone'])['name']),
    attributes: attributesOf(info['attributes']),
    active: flagOf(raw['active']) !== false && flagOf(raw['deactivated']) !== true,
  });
}

/** An address as it stands; `localhost` is loopback everywhere (RFC 6761 §6.3); other names are not resolved here. */
function addressOfHost(hostname: string): string | null {
  const host = hostname.toLowerCase();
  if (host === 'localhost') return '127.0.0.1';
  return isIp(host) ? host : null;
}

/** Id of a recovered agent: an AgentInfo without wrapper. */
export function decodeRecovered(value: unknown): AgentId | null {
  const raw = objectOf(value);
  const id = idOf(raw['id']) ?? idOf(objectOf(raw['agent_info'])['id']);
  return id === null ? null : agentId(id);
}

/** A framework of `get_frameworks.frameworks`, FRAMEWORK_ADDED/UPDATED or `/state`; null without id. */
export function decodeFramework(value: unknown): Framework | null {
  const raw = objectOf(value);
  const info = raw['framework_info'] === undefined ? raw : objectOf(raw['framework_info']);
  const id = idOf(info['id']);
  if (id === null) return null;
  const webui = textOf(info['webui_url']);
  return Object.freeze({
    id: frameworkId(intern(id)),
    name: intern(textOf(info['name']) ?? ''),
    hostname: textOf(info['hostname']) ?? '',
    pid: textOf(raw['pid']),
    webuiUrl: webui === '' ? null : webui,
    active: flagOf(raw['active']) !== false && flagOf(raw['connected']) !== false,
  });
}

/** What tasks take from their explicit executor: a pod's labels and network. */
export interface Executor {
  readonly key: string;
  readonly labels: Labels;
  readonly networks: Networks;
}

export const executorKey = (framework: FrameworkId, agent: AgentId, executor: string): string =>
  `${framework}/${agent}/${executor}`;

/** An executor of `get_executors.executors` or of `frameworks[].executors` in `/state`; null without its ids. */
export function decodeExecutor(value: unknown): Executor | null {
  const raw = objectOf(value);
  const info = raw['executor_info'] === undefined ? raw : objectOf(raw['executor_info']);
  const id = idOf(info['executor_id']);
  const framework = idOf(info['framework_id']);
  const agent = idOf(raw['agent_id']) ?? idOf(raw['slave_id']);
  if (id === null || framework === null || agent === null) return null;
  return {
    key: executorKey(frameworkId(framework), agentId(agent), id),
    labels: labelsOf(info['labels']),
    networks: decodeNetworks(info['container']),
  };
}

/** `get_master.master_info` or `leader_info`: where the leader is; null where it names no IP literal. */
export function decodeMaster(value: unknown): MasterAddress | null {
  const raw = objectOf(value);
  const address = objectOf(raw['address']);
  const ip = textOf(address['ip']) ?? textOf(raw['hostname']);
  if (ip !== null && isIp(ip)) {
    return { ip: ip.toLowerCase(), port: numberOf(address['port']) ?? numberOf(raw['port']) ?? defaultMasterPort };
  }
  return addressOfPid(textOf(raw['pid']));
}
