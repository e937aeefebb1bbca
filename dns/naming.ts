// The grammar of names: how tasks, frameworks and agents become domain names (specs/dns.md §1, §3, §6). No other file puts names together.

import { hash } from 'node:crypto';
import { mangleLabel } from '../src/cluster/index.ts';
import { encodeName, lowerCase, presentText } from './wire/index.ts';

/** Turns any text into one DNS label, or '' where nothing of it may stay. */
export type LabelRule = (text: string) => string;

const zBase32 = 'ybndrfg8ejkmcpqxot1uwisza345h769';
const maxLabel = 63;

/** Mesos-DNS's default rule: at most 63 characters, no hyphen at either end (specs/dns.md §1.1). */
export const rfc1123Label: LabelRule = (text) => cutLabel(mapped(text), 63, /^-+/);

/** Mesos-DNS's `EnforceRFC952`: at most 24 characters, starting with a letter. */
export const rfc952Label: LabelRule = (text) => cutLabel(mapped(text), 24, /^[-0-9]+/);

/** `a-z 0-9 -` out of any text: letters in lower case, `.` and `_` as hyphens, the rest dropped. */
function mapped(text: string): string {
  return lowerCase(text)
    .replace(/[._]/g, '-')
    .replace(/[^-a-z0-9]+/g, '');
}

/** A cut that lands on hyphens is refilled with what followed, as many characters as the hyphens took. */
function cutLabel(text: string, limit: number, leading: RegExp): string {
  const trimmed = text.replace(leading, '');
  const head = trimmed.slice(0, limit);
  const kept = head.replace(/-+$/, '');
  const removed = head.length - kept.length;
  return kept + trimmed.slice(head.length).replace(/^-+/, '').slice(0, removed);
}

/** Mangles each dot-separated part and drops the empty ones: dots stay separators. For framework names. */
export function domainFragment(text: string, rule: LabelRule): string {
  return text
    .split('.')
    .map(rule)
    .filter((part) => part !== '')
    .join('.');
}

/** Five characters that tell a task from others of its name: z-base-32 of the first 25 bits of the SHA-1 of its id (§1.3). */
export function hash5(taskId: string): string {
  const bits = Number.parseInt(hash('sha1', taskId, 'hex').slice(0, 8), 16);
  let text = '';
  for (let i = 0; i < 5; i++) text += zBase32[(bits >>> (27 - i * 5)) & 31];
  return text;
}

/** What follows the last hyphen of an agent's id, in lower case: `s0` of `20140827-…-S0`. */
export const slaveTail = (agentId: string): string => lowerCase(agentId.slice(agentId.lastIndexOf('-') + 1));

/** One spelling of a task's name: mangled to one label, or as its discovery information has it with the dots kept. */
export interface TaskForm {
  /** `app-sub-group` or `app.sub.group`. */
  readonly label: string;
  /** The same with hash and agent, unique to the task: `app-sub-group-u3no4-s0`. */
  readonly canonical: string;
  /** As an SRV owner starts: `_app-sub-group`. */
  readonly srvLabel: string;
}

export interface TaskForms {
  readonly forms: readonly TaskForm[];
  /** What had to be cut or left out, for people; empty if nothing. */
  readonly problems: readonly string[];
}

export interface TaskNaming {
  readonly taskId: string;
  readonly agentId: string;
  readonly name: string;
  readonly discoveryName: string | null;
}

/** What the forms of all tasks of one name share. */
export interface NameForm {
  readonly label: string;
  readonly srvLabel: string;
  /** The label in two: what a task's hash and agent stand behind, and what is before its last dot. */
  readonly tail: string;
  readonly head: string;
}

export interface NameForms {
  /** In their order; `form` is null where the name has none of this kind, `problem` what people should know of it. */
  readonly spellings: readonly { readonly form: NameForm | null; readonly problem: string | null }[];
}

/** The spellings under which tasks of a name are published below their framework (§3.2): with discovery information first raw, then mangled. */
export function nameForms(name: string, discoveryName: string | null, rule: LabelRule): NameForms {
  const spellings: { readonly form: NameForm | null; readonly problem: string | null }[] = [];
  const raw = discoveryName === null || discoveryName === '' ? null : rawLabels(discoveryName);
  const source = raw === null ? name : (discoveryName as string);
  if (raw !== null && encodeName(raw) === null)
    spellings.push({ form: null, problem: `"${source}" is no domain name as it stands` });
  else if (raw !== null) spellings.push(formOf(raw));
  const label = rule(source);
  if (label === '') spellings.push({ form: null, problem: `"${source}" holds no letter or digit` });
  else if (label !== raw) spellings.push(formOf(label));
  return { spellings };
}

function rawLabels(name: string): string {
  return name.split('.').map(presentText).join('.');
}

function formOf(label: string): { readonly form: NameForm; readonly problem: string | null } {
  const last = label.lastIndexOf('.') + 1;
  const dot = label.indexOf('.');
  const first = dot < 0 ? label : label.slice(0, dot);
  const start = fitted(first, maxLabel - 1);
  const srvLabel = `_${start}${label.slice(first.length)}`;
  const problem = start === first ? null : `_${label} was shortened to _${start}`;
  return { form: { label, srvLabel, head: label.slice(0, last), tail: label.slice(last) }, problem };
}

/** What tells a task from others of its name: hash and agent. */
export const suffixOf = (taskId: string, agent: string): string => `-${hash5(taskId)}-${agent}`;

/** An agent as names have it: the end of its id. */
export const agentLabel = (agentId: string): string => presentText(slaveTail(agentId));

/** A form's label with hash and agent, the former cut where both are too long for a label. */
export function canonicalLabel({ head, tail }: NameForm, suffix: string): string {
  return `${head}${fitted(tail, maxLabel - suffix.length)}${suffix}`;
}

/** What `canonicalLabel` had to cut, for people; null if nothing. */
function cutIn({ label, tail }: NameForm, suffix: string): string | null {
  const end = fitted(tail, maxLabel - suffix.length);
  return end === tail ? null : `${label} was shortened to ${end} before its hash`;
}

/** The spellings under which a task is published, and what people should know of them. */
export function taskForms(task: TaskNaming, rule: LabelRule): TaskForms {
  const suffix = suffixOf(task.taskId, agentLabel(task.agentId));
  const { spellings } = nameForms(task.name, task.discoveryName, rule);
  const forms = spellings.flatMap(({ form }) => (form === null ? [] : [form]));
  return {
    forms: forms.map((form) => ({
      label: form.label,
      canonical: canonicalLabel(form, suffix),
      srvLabel: form.srvLabel,
    })),
    problems: problemsOf({ spellings }, suffix),
  };
}

/** What had to be cut of a task's names or left out, for people; empty if nothing. */
export function problemsOf({ spellings }: NameForms, suffix: string): readonly string[] {
  return spellings.flatMap(({ form, problem }) => {
    const cut = form === null ? null : cutIn(form, suffix);
    return [cut, problem].filter((text) => text !== null);
  });
}

/** A label cut to `limit` octets; hyphens that the cut leaves at the end go too. Escaped octets are kept whole. */
function fitted(label: string, limit: number): string {
  if (label.length <= limit) return label;
  const octets = label.match(/\\\d{3}|\\.|[^]/g) ?? [];
  return octets.length <= limit ? label : octets.slice(0, Math.max(0, limit)).join('').replace(/-+$/, '');
}

/** `_tcp.marathon` and the like: an SRV owner below the zone; `port` is the port's name, if it has one. */
export function srvOwner(
  taskForm: Pick<TaskForm, 'srvLabel'>,
  port: string | null,
  protocol: string,
  below: string,
): string {
  const owner = `${taskForm.srvLabel}._${protocol}.${below}`;
  return port === null ? owner : `_${port.slice(0, maxLabel - 1)}.${owner}`;
}

/** A task's name in the zones of dcos-net: task and framework as one label each (§6.2); '' where nothing is left of either. */
export function dcosBase(name: string, framework: string): string {
  const [task, owner] = [mangleLabel(name), mangleLabel(framework)];
  return task === '' || owner === '' ? '' : `${task}.${owner}`;
}
