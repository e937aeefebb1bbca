// Records of one task in the Mesos-DNS zone (specs/dns.md §2.3, §3.2) and in dcos-net's zone of tasks (§6.2). A pure function of the task
// and the settings; what tasks of one name share is worked out once.

import type { Task, TaskPort } from '../../src/cluster/index.ts';
import {
  agentLabel,
  canonicalLabel,
  dcosBase,
  domainFragment,
  nameForms,
  problemsOf,
  rfc1123Label,
  rfc952Label,
  srvOwner,
  suffixOf,
  type LabelRule,
  type NameForm,
  type NameForms,
} from '../naming.ts';
import { isName, isPlainName } from '../wire/index.ts';
import { dcosZones } from '../zones.ts';
import { addressLines, srvLine, type Contributions } from './contribution.ts';
import type { ZoneSettings } from './options.ts';
import { createMemo, type Memo } from './memo.ts';
import { taskPointers } from './reverse-records.ts';
import { agentAddresses, taskAddresses } from './task-addresses.ts';

export interface TaskRecords {
  /** Who the task is one of: instances of one app, and containers of one pod, share their names on purpose. */
  readonly identity: string;
  readonly contributions: Contributions;
  /** Names that other tasks of the same app share (`app.marathon.mesos.`): where different apps meet, they mix. */
  readonly sharedNames: readonly string[];
  /** Names meant for this task alone. */
  readonly ownNames: readonly string[];
  /** What had to be cut or left out. */
  readonly problems: readonly string[];
}

/** Makes the records of tasks, and remembers what their names and frameworks come to. */
export interface TaskRecorder {
  of(task: Task): TaskRecords;
  /** Lets go of what it remembers. */
  forget(): void;
}

/** Fields that records are made of; nothing else of a task changes a name. */
export const recordedFields = [
  ...(['id', 'key', 'name', 'discoveryName', 'framework', 'frameworkId', 'agentId', 'agentIp', 'agentIps'] as const),
  ...(['state', 'addresses', 'ports', 'mappings', 'hostPorts', 'statusLabels', 'networkMode', 'appKey'] as const),
] as const satisfies readonly (keyof Task)[];

const protocols = ['tcp', 'udp'] as const;
/** Of a memo: more than a large cluster has apps, and no more than some megabytes. */
const mostKept = 8192;

const ruleOf = (settings: ZoneSettings): LabelRule => (settings.enforceRFC952 ? rfc952Label : rfc1123Label);

/** Where the names of a framework's tasks end. */
interface Place {
  readonly below: string;
  readonly slave: string;
  /** No label of it needs a second look: only the length of a whole name can be wrong. */
  readonly isPlain: boolean;
}

/** A form of a name below its framework. */
interface PlacedForm extends NameForm {
  readonly name: string;
  readonly slaveName: string;
  readonly isPlain: boolean;
}

/** What tasks of one name and framework share. */
interface AppNames {
  readonly identity: string;
  readonly place: Place;
  readonly spellings: NameForms;
  readonly forms: readonly PlacedForm[];
  readonly sharedNames: readonly string[];
  /** Names in dcos-net's zone; null: none are to be had. */
  readonly dcos: { readonly agent: string; readonly container: string; readonly auto: string } | null;
}

interface Memos {
  readonly apps: Memo<AppNames>;
  readonly agents: Memo<string>;
  readonly rules: Memo<string>;
}

export function createTaskRecorder(settings: ZoneSettings): TaskRecorder {
  const memos = {
    apps: createMemo<AppNames>(mostKept),
    agents: createMemo<string>(mostKept),
    rules: createMemo<string>(mostKept),
  };
  return {
    of: (task) => recordsOf(task, memos, settings),
    forget() {
      memos.apps.clear();
      memos.agents.clear();
      memos.rules.clear();
    },
  };
}

/** Nothing unless it is running; below Mesos-DNS's domain only on a known agent, of a framework with a name. */
function recordsOf(task: Task, memos: Memos, settings: ZoneSettings): TaskRecords {
  const out: string[] = [];
  const nothing = { identity: '', contributions: out, sharedNames: [], ownNames: [], problems: [] };
  if (task.state !== 'TASK_RUNNING') return nothing;
  const { framework, frameworkId, discoveryName, name } = task;
  const app = memos.apps.of(`${frameworkId}\n${framework}\n${discoveryName ?? '\n'}\n${name}`, () =>
    appNames(task, settings),
  );
  addDcosRecords(out, task, app, settings);
  if (task.agentIp === null || app.place.below.length === settings.zone.length + 1) return nothing;
  const agent = memos.agents.of(task.agentId, () => agentLabel(task.agentId));
  const suffix = suffixOf(task.id, agent);
  const sink: Sink = { out, lost: false };
  const ownNames = addMesosRecords(sink, { task, app, suffix, memos, settings });
  const problems = problemsOf(app.spellings, suffix);
  return {
    identity: app.identity,
    contributions: out,
    sharedNames: app.sharedNames,
    ownNames,
    problems: sink.lost ? [...problems, 'some of its names would be longer than 255 octets'] : problems,
  };
}

function appNames(task: Task, settings: ZoneSettings): AppNames {
  const framework = domainFragment(task.framework, ruleOf(settings));
  const [below, slave] = [`${framework}.${settings.zone}`, `${framework}.slave.${settings.zone}`];
  const place = { below, slave, isPlain: isPlainName(slave) };
  const spellings = nameForms(task.name, task.discoveryName, ruleOf(settings));
  const forms = spellings.spellings.flatMap(({ form }) => (form === null ? [] : [placed(form, place)]));
  const base = dcosBase(hasDiscovery(task) ? (task.discoveryName as string) : task.name, task.framework);
  const dcosName = (kind: string): string => `${base}.${kind}.${dcosZones.dcos}`;
  const isDcos = base !== '' && isName(dcosName('containerip'));
  const dcos = { agent: dcosName('agentip'), container: dcosName('containerip'), auto: dcosName('autoip') };
  const sharedNames = forms.map(({ name }) => name);
  return { identity: identityOf(task), place, spellings, forms, sharedNames, dcos: isDcos ? dcos : null };
}

const identityOf = ({ frameworkId, discoveryName, name }: Task): string =>
  `${frameworkId}/${discoveryName ?? ''}/${discoveryName === null ? name : ''}`;

function placed(form: NameForm, { below, slave, isPlain }: Place): PlacedForm {
  return {
    ...form,
    name: `${form.label}.${below}`,
    slaveName: `${form.label}.${slave}`,
    isPlain: isPlain && isPlainName(form.label) && isPlainName(form.srvLabel),
  };
}

interface Sink {
  readonly out: string[];
  /** A record could not be had, for its name is too long. */
  lost: boolean;
}

interface Recorded {
  readonly task: Task;
  readonly app: AppNames;
  readonly suffix: string;
  readonly memos: Memos;
  readonly settings: ZoneSettings;
}

/** Whether `name` is one; of a plain one, only its length is in question. */
const isUsable = (name: string, isPlain: boolean): boolean => (isPlain ? name.length <= mostPlain : isName(name));
/** With its trailing dot (RFC 1035 §2.3.4: 255 octets with the length of each label and of the root). */
const mostPlain = 254;

/** Returns the names meant for this task alone. */
function addMesosRecords(sink: Sink, recorded: Recorded): readonly string[] {
  const { task, app, suffix, settings } = recorded;
  const own = addressLines(taskAddresses(task, settings), settings.ttl);
  const agent = addressLines(agentAddresses(task), settings.ttl);
  const ownNames: string[] = [];
  const isPlainSuffix = suffix.length < 64 && isPlainName(suffix);
  for (const form of app.forms) {
    const canonical = canonicalLabel(form, suffix);
    const name = `${canonical}.${app.place.below}`;
    const slaveName = `${canonical}.${app.place.slave}`;
    const isPlain = form.isPlain && isPlainSuffix;
    ownNames.push(name);
    addAll(sink, form.name, own, isUsable(form.name, form.isPlain));
    addAll(sink, name, own, isUsable(name, isPlain));
    addAll(sink, form.slaveName, agent, isUsable(form.slaveName, form.isPlain));
    addAll(sink, slaveName, agent, isUsable(slaveName, isPlain));
    if (task.hostPorts.length > 0) addResourcePorts(sink, form, { name: slaveName, isPlain }, recorded);
    if (task.ports.length > 0 && hasDiscovery(task)) addDiscoveryPorts(sink, form, { name, isPlain }, recorded);
  }
  const last = ownNames.at(-1);
  if (last !== undefined) for (const text of taskPointers(task, last, settings)) sink.out.push(text);
  return ownNames;
}

function addAll(sink: Sink, name: string, lines: readonly string[], isName: boolean): void {
  for (const line of lines) add(sink, name, line, isName);
}

function add(sink: Sink, name: string, line: string, areNames: boolean): void {
  if (areNames) sink.out.push(name, line);
  else sink.lost = true;
}

const hasDiscovery = (task: Task): boolean => task.discoveryName !== null && task.discoveryName !== '';

interface Target {
  readonly name: string;
  readonly isPlain: boolean;
}

function targetLine(port: number, { name, isPlain }: Target, { srvWeight, ttl }: ZoneSettings): string {
  // Joined, since a sum of texts is kept as such.
  return isPlain ? ['SRV', ttl, 0, srvWeight, port, name].join(' ') : srvLine(0, srvWeight, ttl, port, name);
}

function addResourcePorts(sink: Sink, form: PlacedForm, target: Target, { task, app, settings }: Recorded): void {
  const { below, slave } = app.place;
  const isTarget = isUsable(target.name, target.isPlain);
  for (const port of task.hostPorts) {
    const line = targetLine(port, target, settings);
    for (const protocol of protocols) {
      addSrv(sink, srvOwner(form, null, protocol, slave), line, isTarget && form.isPlain, isTarget);
      if (!hasDiscovery(task))
        addSrv(sink, srvOwner(form, null, protocol, below), line, isTarget && form.isPlain, isTarget);
    }
  }
}

function addSrv(sink: Sink, owner: string, line: string, isPlain: boolean, isTarget: boolean): void {
  add(sink, owner, line, isTarget && isUsable(owner, isPlain));
}

/** Ports of the discovery information count only where it has a name. */
function addDiscoveryPorts(sink: Sink, form: PlacedForm, target: Target, recorded: Recorded): void {
  const { task, app, memos, settings } = recorded;
  const { below } = app.place;
  const isTarget = isUsable(target.name, target.isPlain);
  const ruled = (text: string): string => memos.rules.of(text, () => ruleOf(settings)(text));
  for (const port of task.ports) {
    const number = portNumber(port);
    if (number === null) continue;
    const line = targetLine(number, target, settings);
    const name = port.name === null ? '' : ruled(port.name);
    const known = ruled(port.protocol);
    for (const protocol of known === '' ? protocols : [known]) {
      const isPlain = form.isPlain && protocol.length < 63;
      addSrv(sink, srvOwner(form, null, protocol, below), line, isPlain, isTarget);
      if (name !== '') addSrv(sink, srvOwner(form, name, protocol, below), line, isPlain, isTarget);
    }
  }
}

const portNumber = (port: TaskPort): number | null => (port.scope === 'host' ? port.hostPort : port.containerPort);

/** `agentip`, `containerip` and `autoip`. */
function addDcosRecords(out: string[], task: Task, { dcos }: AppNames, settings: ZoneSettings): void {
  if (dcos === null) return;
  const agent = task.agentIp === null ? [] : addressLines([task.agentIp], settings.dcosTtl);
  const container = addressLines(
    task.addresses.map(({ ip }) => ip),
    settings.dcosTtl,
  );
  for (const line of agent) out.push(dcos.agent, line);
  for (const line of container) out.push(dcos.container, line);
  const isAgents = task.addresses.length === 0 || isReachedThroughAgent(task);
  for (const line of isAgents ? agent : container) out.push(dcos.auto, line);
}

/** One port behind a host port is enough. */
function isReachedThroughAgent(task: Task): boolean {
  return task.mappings.some(({ hostPort }) => hostPort > 0) || task.ports.some(({ hostPort }) => (hostPort ?? 0) > 0);
}
