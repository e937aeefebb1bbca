// Records of one task in the Mesos-DNS zone (specs/dns.md §2.3, §3.2). A pure function of the task and the settings.

import type { Task, TaskPort } from '../../src/cluster/index.ts';
import {
  domainFragment,
  rfc1123Label,
  rfc952Label,
  srvOwner,
  taskForms,
  type LabelRule,
  type TaskForm,
} from '../naming.ts';
import { canonicalAddress, isName } from '../wire/index.ts';
import { addressRrs, srvRr, type Contribution } from './contribution.ts';
import type { IpSource, ZoneSettings } from './options.ts';
import type { ZoneRr } from './record.ts';
import { taskPointers } from './reverse-records.ts';

export interface TaskRecords {
  readonly contributions: readonly Contribution[];
  /** Names that other tasks of the same app share (`app.marathon.mesos.`): where different apps meet, they mix. */
  readonly sharedNames: readonly string[];
  /** Names meant for this task alone. */
  readonly ownNames: readonly string[];
  /** What had to be cut or left out. */
  readonly problems: readonly string[];
}

const nothing: TaskRecords = { contributions: [], sharedNames: [], ownNames: [], problems: [] };
const protocols = ['tcp', 'udp'] as const;

const ruleOf = (settings: ZoneSettings): LabelRule => (settings.enforceRFC952 ? rfc952Label : rfc1123Label);

/** What a task publishes below Mesos-DNS's domain: nothing unless it is running, on a known agent, of a framework with a name. */
export function mesosTaskRecords(task: Task, settings: ZoneSettings): TaskRecords {
  const framework = domainFragment(task.framework, ruleOf(settings));
  if (task.state !== 'TASK_RUNNING' || task.agentIp === null || framework === '') return nothing;
  const naming = { taskId: task.id, agentId: task.agentId, name: task.name, discoveryName: task.discoveryName };
  const { forms, problems } = taskForms(naming, ruleOf(settings));
  const below = `${framework}.${settings.zone}`;
  const addresses = {
    own: addressRrs(taskAddresses(task, settings), settings.ttl),
    agent: addressRrs(agentAddresses(task), settings.ttl),
  };
  const slave = `${framework}.slave.${settings.zone}`;
  // Each name is put together once: equal texts made apart would be kept apart, and checked apart.
  const names = forms.map((form) => namesOf(form, below, slave));
  const named = forms.flatMap((form, i) => recordsOfForm(task, form, names[i] as FormNames, addresses, settings));
  const last = names.at(-1);
  const reverse = last === undefined ? [] : taskPointers(task, last.canonical, settings);
  const contributions = reverse.length === 0 ? named : [...named, ...reverse];
  const usable = usableOf(contributions);
  const lost = usable.length === contributions.length ? [] : ['some of its names would be longer than 255 octets'];
  return {
    contributions: usable,
    sharedNames: names.map(({ label }) => label),
    ownNames: names.map(({ canonical }) => canonical),
    problems: lost.length === 0 ? problems : [...problems, ...lost],
  };
}

interface TaskAddressRrs {
  readonly own: readonly ZoneRr[];
  readonly agent: readonly ZoneRr[];
}

/** Without what is longer than a name may be. */
function usableOf(contributions: readonly Contribution[]): readonly Contribution[] {
  const isUsable = ({ name, rr }: Contribution): boolean => isName(name) && (rr.type !== 'SRV' || isName(rr.target));
  return contributions.every(isUsable) ? contributions : contributions.filter(isUsable);
}

/** Domain names of one form. */
interface FormNames {
  readonly below: string;
  readonly slave: string;
  readonly label: string;
  readonly canonical: string;
  readonly slaveLabel: string;
  readonly slaveCanonical: string;
}

const namesOf = ({ label, canonical }: TaskForm, below: string, slave: string): FormNames => ({
  below,
  slave,
  label: `${label}.${below}`,
  canonical: `${canonical}.${below}`,
  slaveLabel: `${label}.${slave}`,
  slaveCanonical: `${canonical}.${slave}`,
});

function recordsOfForm(
  task: Task,
  form: TaskForm,
  names: FormNames,
  { own, agent }: TaskAddressRrs,
  settings: ZoneSettings,
): Contribution[] {
  return [
    ...under([names.label, names.canonical], own),
    ...under([names.slaveLabel, names.slaveCanonical], agent),
    ...resourcePorts(task, form, names, settings),
    ...discoveryPorts(task, form, names, settings),
  ];
}

function under(names: readonly string[], rrs: readonly ZoneRr[]): Contribution[] {
  return names.flatMap((name) => rrs.map((rr) => ({ name, rr })));
}

const hasDiscovery = (task: Task): boolean => task.discoveryName !== null && task.discoveryName !== '';

function resourcePorts(task: Task, form: TaskForm, names: FormNames, settings: ZoneSettings): Contribution[] {
  const { below, slave, slaveCanonical } = names;
  const owners = hasDiscovery(task) ? [slave] : [slave, below];
  return task.hostPorts.flatMap((port) => {
    const rr = srvRr(0, settings.srvWeight, settings.ttl, port, slaveCanonical);
    return protocols.flatMap((protocol) =>
      owners.map((owner) => ({ name: srvOwner(form, null, protocol, owner), rr })),
    );
  });
}

/** Ports of the discovery information count only where it has a name. */
function discoveryPorts(task: Task, form: TaskForm, names: FormNames, settings: ZoneSettings): Contribution[] {
  const { below, canonical } = names;
  if (!hasDiscovery(task)) return [];
  return task.ports.flatMap((port) => {
    const number = portNumber(port);
    if (number === null) return [];
    const rr = srvRr(0, settings.srvWeight, settings.ttl, number, canonical);
    const name = port.name === null ? '' : ruleOf(settings)(port.name);
    return protocolsOf(port, settings).flatMap((protocol) => [
      { name: srvOwner(form, null, protocol, below), rr },
      ...(name === '' ? [] : [{ name: srvOwner(form, name, protocol, below), rr }]),
    ]);
  });
}

const portNumber = (port: TaskPort): number | null => (port.scope === 'host' ? port.hostPort : port.containerPort);

function protocolsOf(port: TaskPort, settings: ZoneSettings): readonly string[] {
  const protocol = ruleOf(settings)(port.protocol);
  return protocol === '' ? protocols : [protocol];
}

/** Every address of the task's agent, the one of its pid first. */
function agentAddresses(task: Task): readonly string[] {
  return task.agentIps.length > 0 || task.agentIp === null ? task.agentIps : [task.agentIp];
}

const labelOfSource: Readonly<Partial<Record<IpSource, string>>> = {
  docker: 'Docker.NetworkSettings.IPAddress',
  mesos: 'MesosContainerizer.NetworkSettings.IPAddress',
};

function addressesOf(task: Task, source: IpSource): readonly string[] {
  if (source === 'host') return agentAddresses(task);
  if (source === 'netinfo') return task.addresses.map(({ ip }) => ip);
  const text = task.statusLabels[labelOfSource[source] ?? ''];
  return text === undefined ? [] : [text];
}

/** The task's addresses by the configured sources and selection (§2.3). What is no address is passed over. */
function taskAddresses(task: Task, settings: ZoneSettings): readonly string[] {
  const usable = (source: IpSource): readonly string[] =>
    addressesOf(task, source).flatMap((text) => canonicalAddress(text) ?? []);
  if (settings.ipSelection === 'first-source') {
    for (const source of settings.ipSources) {
      const ips = usable(source);
      if (ips.length > 0) return ips;
    }
    return [];
  }
  const all = settings.ipSources.flatMap(usable);
  return [all.find((ip) => !ip.includes(':')), all.find((ip) => ip.includes(':'))].filter((ip) => ip !== undefined);
}
