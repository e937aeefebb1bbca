// Which labels `ISTHMUS_<n>_*` of a task belong to which of its ports, and which of them give nothing.
//
// Among the task's labels n is the index of the port, as in its definition. Among a port's own labels it is the number of the label
// `VIP_<n>` beside it, or the index of the port: then it stands for all VIPs of that port.

import type { Diagnostic, Labels, Task, TaskPort } from '../src/cluster/index.ts';
import { parseVipOption, vipOptionKey, type VipOptions } from './vip-options.ts';

/** What is asked for the VIP that label `key` of `port` makes; null: nothing. The port's own labels go before the task's. */
export function optionsOfPort(task: Task, port: TaskPort, key: string): VipOptions | null {
  if (!hasOption(task.labels) && !hasOption(port.labels)) return null;
  const index = indexesOf(task.ports)[task.ports.indexOf(port)] ?? -1;
  const all = pick(task.labels, (n) => n === index);
  const own = pick(port.labels, (n) => (numbersOf(port).has(n) ? numberOf(key) === n : n === index));
  if (all === null || own === null) return own ?? all;
  return { ...all, ...own };
}

/** A diagnostic for each label of the kind that cannot be honoured; none for tasks without VIPs, whose labels are others' business. */
export function reviewOptions(task: Task): Diagnostic[] {
  if (!task.ports.some(({ vips }) => vips.length > 0)) return [];
  const indexes = indexesOf(task.ports);
  const withVip = new Set(indexes.filter((_, i) => (task.ports[i]?.vips.length ?? 0) > 0));
  const found = review(task, task.labels, withVip, (n) =>
    indexes.includes(n) ? `port ${n} has no VIP` : `the task has no port ${n}`,
  );
  task.ports.forEach((port, i) => {
    const meant = new Set([...numbersOf(port), indexes[i] ?? -1]);
    found.push(...review(task, port.labels, meant, (n) => `its port has no VIP_${n} and is not port ${n}`));
  });
  return found;
}

function review(task: Task, labels: Labels, meant: ReadonlySet<number>, whyNone: (n: number) => string): Diagnostic[] {
  return Object.entries(labels).flatMap(([key, value]): Diagnostic[] => {
    const known = vipOptionKey(key);
    if (known === null) return [];
    const report = (reason: string, hint: string): Diagnostic[] => [
      { app: task.appKey, task: task.key, key, value, reason, hint, severity: 'warn' },
    ];
    if (!meant.has(known.index)) {
      // Routes take a policy by the same label.
      return known.name === 'LB' ? [] : report(whyNone(known.index), 'the number of a port with a VIP, from 0');
    }
    const parsed = parseVipOption(known.name, value);
    return 'rejected' in parsed ? report(parsed.rejected, parsed.hint) : [];
  });
}

function pick(labels: Labels, isMeant: (n: number) => boolean): VipOptions | null {
  let found: VipOptions | null = null;
  for (const key of Object.keys(labels)) {
    const known = vipOptionKey(key);
    if (known === null || !isMeant(known.index)) continue;
    const parsed = parseVipOption(known.name, labels[key] ?? '');
    if (!('rejected' in parsed)) found = found === null ? parsed : Object.assign({}, found, parsed);
  }
  return found;
}

/** Of the definition that each entry came from: one for each protocol and network of it, with one name and number. */
function indexesOf(ports: readonly TaskPort[]): readonly number[] {
  let index = -1;
  let before: TaskPort | null = null;
  return ports.map((port) => {
    if (before === null || !isSame(before, port)) index++;
    before = port;
    return index;
  });
}

const isSame = (a: TaskPort, b: TaskPort): boolean =>
  a.name === b.name && a.hostPort === b.hostPort && a.containerPort === b.containerPort;

const hasOption = (labels: Labels): boolean => Object.keys(labels).some((key) => key.startsWith('ISTHMUS_'));

const numberOf = (key: string): number => Number(/^(?:VIP|vip)_(\d{1,4})$/.exec(key)?.[1] ?? -1);

const numbersOf = (port: TaskPort): ReadonlySet<number> => new Set(Object.keys(port.labels).map(numberOf));
