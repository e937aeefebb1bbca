// Claims: which VIPs a task belongs to and at which of its addresses, and which of its labels gave nothing. One task, no cluster.

import {
  addressesOfPort,
  isIPv4,
  isServing,
  isVipKey,
  parseVipLabel,
  sameIn,
  type Diagnostic,
  type Task,
  type TaskPort,
  type VipLabel,
} from '../src/cluster/index.ts';
import { compileCidrs } from '../src/runtime/index.ts';
import { canonicalIp, familyOf } from './ip-number.ts';
import { optionsOfPort, reviewOptions } from './vip-labels.ts';
import type { VipOptions } from './vip-options.ts';
import { vipKey, type LocalAddress, type VipProtocol } from './vip-record.ts';

export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  /** Where the agent itself reaches it, if that is another address. */
  readonly local?: LocalAddress;
}

export interface VipClaim {
  readonly key: string;
  readonly protocol: VipProtocol;
  readonly name: string | null;
  /** Of a VIP without a name. */
  readonly ip: string | null;
  readonly port: number;
  /** Of the families that the VIP may take; may be empty, then the VIP exists without this task as backend. */
  readonly endpoints: readonly Endpoint[];
  /** Null where the labels say nothing more. */
  readonly options: VipOptions | null;
}

export interface TaskClaims {
  readonly claims: readonly VipClaim[];
  readonly diagnostics: readonly Diagnostic[];
}

export const noClaims: TaskClaims = { claims: [], diagnostics: [] };

/** A port of the task that something asks a VIP for. */
interface LabelledPort {
  readonly protocol: VipProtocol;
  readonly key: string;
  readonly value: string;
  readonly endpoints: readonly Endpoint[];
  readonly options: VipOptions | null;
}

/** Nothing for a task that does not serve, or whose agent or framework is not known yet (specs/l4lb.md §1.3, §1.7). */
export function claimsOf(task: Task, ipv6: boolean): TaskClaims {
  if (!isServing(task) || task.agentIp === null || task.framework === '') return noClaims;
  const claims: VipClaim[] = [];
  const diagnostics: Diagnostic[] = [...misplacedLabels(task), ...reviewOptions(task)];
  const ports = [...task.ports.flatMap((port) => discoveryPorts(task, port)), ...legacyPorts(task)];
  for (const port of ports) {
    const outcome = 'reason' in port ? port : claimOf(task, port, ipv6);
    if ('reason' in outcome) diagnostics.push(outcome);
    else claims.push(outcome);
    if (!('reason' in port) && !('reason' in outcome)) diagnostics.push(...missingFamily(task, port, outcome, ipv6));
  }
  if (claims.length + diagnostics.length === 0) return noClaims;
  return { claims, diagnostics: diagnostics.length === 0 ? noClaims.diagnostics : diagnostics };
}

/** All that the claims of a task follow from, but its state. */
const claimFields = [
  ...(['framework', 'agentIp', 'addresses', 'networkMode', 'containerizer'] as const),
  ...(['ports', 'hostPorts', 'mappings', 'labels', 'appKey'] as const),
] as const satisfies readonly (keyof Task)[];

/** Whether `claimsOf` says the same of both. */
export const claimAlike = (before: Task, after: Task): boolean =>
  isServing(before) === isServing(after) && sameIn(before, after, claimFields);

/** A VIP that exists without this task, which has addresses of the other family alone. */
function missingFamily(
  task: Task,
  { key, value, endpoints }: LabelledPort,
  claim: VipClaim,
  ipv6: boolean,
): readonly Diagnostic[] {
  if (endpoints.length === 0 || claim.endpoints.length > 0) return [];
  const isOff = !ipv6 && (claim.ip === null || familyOf(claim.ip) === 6);
  const hint = isOff ? 'vips.ipv6: true' : 'a name such as /web, which takes tasks of both families';
  return [diagnostic(task, key, value, 'the task has no address of a family that it may take', hint)];
}

function claimOf(task: Task, asked: LabelledPort, ipv6: boolean): VipClaim | Diagnostic {
  const { protocol, key, value, endpoints, options } = asked;
  const label = parseVipLabel(value, task.framework);
  if ('rejected' in label) return diagnostic(task, key, value, label.rejected, label.hint);
  if (label.kind === 'named' && isIPv4(label.name)) {
    return diagnostic(
      task,
      key,
      value,
      `${label.name} is an address, with the framework as its end`,
      'a name with a letter',
    );
  }
  if (label.kind === 'address' && isNobodys.has(label.ip)) {
    return diagnostic(
      task,
      key,
      value,
      `${label.ip} is no address of a VIP`,
      'a name such as /web, or an address of its own: not a wildcard, loopback, multicast or link-local one',
    );
  }
  const usable = endpoints.filter(({ ip }) => ipv6 || familyOf(ip) === 4);
  const place = label.kind === 'named' ? namedClaim(protocol, label, usable) : addressClaim(protocol, label, usable);
  return { ...place, options };
}

/** Addresses that would take what is meant for every address or for the machine itself, or that nobody can connect to. */
const { matcher: isNobodys } = compileCidrs([
  ...['0.0.0.0/8', '127.0.0.1', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255'],
  ...['::', '::1', 'fe80::/10', 'ff00::/8'],
]);

type Place = Omit<VipClaim, 'options'>;

function namedClaim(protocol: VipProtocol, label: VipLabel & { kind: 'named' }, endpoints: readonly Endpoint[]): Place {
  const { name, port } = label;
  return { key: vipKey(protocol, name, port), protocol, name, ip: null, port, endpoints };
}

function addressClaim(
  protocol: VipProtocol,
  label: VipLabel & { kind: 'address' },
  endpoints: readonly Endpoint[],
): Place {
  const ip = canonicalIp(label.ip);
  const own = endpoints.filter((endpoint) => familyOf(endpoint.ip) === familyOf(ip));
  return { key: vipKey(protocol, ip, label.port), protocol, name: null, ip, port: label.port, endpoints: own };
}

function discoveryPorts(task: Task, port: TaskPort): (LabelledPort | Diagnostic)[] {
  if (port.vips.length === 0) return [];
  const { protocol } = port;
  const endpoints = endpointsOf(task, port);
  const scope = port.labels['network-scope'] ?? 'host';
  const isStrange = endpoints.length === 0 && scope !== 'host' && scope !== 'container';
  return [...new Set(port.vips)].map((value) => {
    const key = keyOf(task, port, value);
    if (isStrange)
      return diagnostic(
        task,
        key,
        value,
        `its port has the network-scope "${scope}"`,
        'network-scope=host or container',
      );
    if (protocol === 'tcp' || protocol === 'udp')
      return { protocol, key, value, endpoints, options: optionsOfPort(task, port, key) };
    return diagnostic(task, key, value, `its port speaks "${protocol}"`, 'VIPs are for ports of protocol tcp or udp');
  });
}

function endpointsOf(task: Task, port: TaskPort): readonly Endpoint[] {
  const local = localOf(task, port);
  const endpoints = addressesOfPort(task, port);
  return local === null ? endpoints : endpoints.map((one) => (one.ip === task.agentIp ? { ...one, local } : one));
}

/**
 * A container of Mesos's own behind a host port. Docker's are reached at the host port from their own machine too: a container can
 * then call its own VIP (specs/l4lb.md §1.8).
 */
function localOf(task: Task, port: TaskPort): LocalAddress | null {
  const { agentIp, addresses, containerizer, networkMode } = task;
  if (agentIp === null || networkMode === 'host' || containerizer === 'docker' || port.containerPort === null)
    return null;
  const own = addresses.find(({ ip }) => familyOf(ip) === familyOf(agentIp));
  return own === undefined || own.ip === agentIp ? null : { ip: own.ip, port: port.containerPort };
}

/** Task labels `vip_port<N>=tcp://VIP`, N into the reserved ports (specs/l4lb.md §1.1, §1.2). */
function legacyPorts(task: Task): (LabelledPort | Diagnostic)[] {
  return Object.entries(task.labels).flatMap(([key, text]): (LabelledPort | Diagnostic)[] => {
    const index = /^vip_port(\d+)$/i.exec(key)?.[1];
    if (index === undefined) return [];
    const [, protocol, value = ''] = /^(tcp|udp):\/\/(.*)$/.exec(text) ?? [];
    if (protocol !== 'tcp' && protocol !== 'udp') {
      return [diagnostic(task, key, text, 'has no protocol', 'write tcp://NAME:PORT or udp://NAME:PORT')];
    }
    const port = task.hostPorts[Number(index)];
    if (port === undefined || task.agentIp === null) {
      const hint = `the task has ${task.hostPorts.length} reserved ports, counted from 0`;
      return [diagnostic(task, key, text, `the task has no reserved port ${index}`, hint)];
    }
    return [{ protocol, key, value, endpoints: [{ ip: task.agentIp, port }], options: null }];
  });
}

/** VIP labels of the app itself, which neither dcos-net nor we read: people put them there and wonder. */
function misplacedLabels(task: Task): Diagnostic[] {
  return Object.entries(task.labels).flatMap(([key, value]) =>
    /^VIP_\d+$/.test(key)
      ? [
          diagnostic(
            task,
            key,
            value,
            'stands among the labels of the app',
            'move it to the labels of one of its ports',
          ),
        ]
      : [],
  );
}

/** The label that `value` came from: of the port, or a legacy one of the task that was joined with the port. */
function keyOf(task: Task, port: TaskPort, value: string): string {
  const own = Object.keys(port.labels).find((key) => isVipKey(key) && port.labels[key] === value);
  const legacy = (key: string): boolean =>
    /^vip_port\d+$/i.test(key) && task.labels[key] === `${port.protocol}://${value}`;
  return own ?? Object.keys(task.labels).find(legacy) ?? 'VIP';
}

function diagnostic(task: Task, key: string, value: string, reason: string, hint: string): Diagnostic {
  return { app: task.appKey, task: task.key, key, value, reason, hint, severity: 'warn' };
}
