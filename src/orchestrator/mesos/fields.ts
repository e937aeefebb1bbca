// The two spellings of Mesos's JSON as one: the v1 operator API and the v0 `/state` (specs/orchestrator.md §1.4, §1.13).
//
// | what           | v1                                   | v0                        |
// |----------------|--------------------------------------|---------------------------|
// | id             | `{"value": "…"}`                     | `"…"`, `""` for none      |
// | labels         | `{"labels": [{key, value}]}`         | `[{key, value}]`, and v1's inside discovery and container |
// | ports reserved | `resources[]` of type RANGES         | `resources.ports` as text |
// | attributes     | `[{name, type, text \| scalar \| …}]` | object                    |

import { isIPv4, isIPv6, noLabels, splitHostPort, type Labels } from '../../cluster/index.ts';
import { listOf, numberOf, objectOf, textOf, type JsonObject } from '../json.ts';

/** An id in either form; null where it is absent or empty. */
export function idOf(value: unknown): string | null {
  const id = textOf(value) ?? textOf(objectOf(value)['value']);
  return id === null || id === '' ? null : id;
}

/** Labels in either form. A key without a value has an empty one. `like`: labels to be given where they say just this. */
export function labelsOf(value: unknown, like: Labels = noLabels): Labels {
  const list = Array.isArray(value) ? listOf(value) : listOf(objectOf(value)['labels']);
  if (list.length === 0) return noLabels;
  if (areLabels(list, like)) return like;
  const entries: [string, string][] = [];
  for (const item of list) {
    const label = objectOf(item);
    const key = textOf(label['key']);
    if (key !== null) entries.push([key, textOf(label['value']) ?? '']);
  }
  return Object.freeze(Object.fromEntries(entries));
}

/** Whether the list says what `labels` do, in their order. */
function areLabels(list: readonly unknown[], labels: Labels): boolean {
  let i = 0;
  for (const key in labels) {
    const label = objectOf(list[i++]);
    if (label['key'] !== key || (textOf(label['value']) ?? '') !== labels[key]) return false;
  }
  return i === list.length;
}

const noPorts: readonly number[] = Object.freeze([]);

/** More ports than any task uses; a range of an agent's whole offer must not be written out 31,000 times. */
const mostPorts = 4096;

/** Reserved host ports, ranges expanded in their order. */
export function reservedPorts(resources: unknown): readonly number[] {
  const ranges = Array.isArray(resources)
    ? rangesOfList(listOf(resources))
    : rangesOfText(objectOf(resources)['ports']);
  const ports: number[] = [];
  for (const [begin, end] of ranges) {
    for (let port = begin; port <= end && port <= 65535 && ports.length < mostPorts; port++) ports.push(port);
  }
  return ports.length === 0 ? noPorts : Object.freeze(ports);
}

function rangesOfList(resources: readonly unknown[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const resource of resources) {
    const raw = objectOf(resource);
    if (raw['name'] !== 'ports') continue;
    for (const item of listOf(objectOf(raw['ranges'])['range'])) {
      const range = objectOf(item);
      ranges.push([numberOf(range['begin']) ?? 1, numberOf(range['end']) ?? 0]);
    }
  }
  return ranges;
}

function rangesOfText(value: unknown): [number, number][] {
  const text = textOf(value) ?? '';
  return [...text.matchAll(/(\d+)\s*-\s*(\d+)/g)].map((match): [number, number] => [
    Number(match[1]),
    Number(match[2]),
  ]);
}

/** Attributes in either form, values as text. */
export function attributesOf(value: unknown): Readonly<Record<string, string>> {
  if (!Array.isArray(value)) {
    return Object.freeze(Object.fromEntries(Object.entries(objectOf(value)).map(([key, item]) => [key, plain(item)])));
  }
  const entries: [string, string][] = [];
  for (const item of listOf(value)) {
    const attribute = objectOf(item);
    const name = textOf(attribute['name']);
    if (name !== null) entries.push([name, attributeText(attribute)]);
  }
  return Object.freeze(Object.fromEntries(entries));
}

function attributeText(attribute: JsonObject): string {
  const text = textOf(objectOf(attribute['text'])['value']);
  if (text !== null) return text;
  const scalar = numberOf(objectOf(attribute['scalar'])['value']);
  if (scalar !== null) return String(scalar);
  const ranges = listOf(objectOf(attribute['ranges'])['range']).map(objectOf);
  if (ranges.length > 0)
    return `[${ranges.map((range) => `${plain(range['begin'])}-${plain(range['end'])}`).join(', ')}]`;
  return `{${listOf(objectOf(attribute['set'])['item']).map(plain).join(', ')}}`;
}

const plain = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));

/** The address and port of a libprocess pid such as `slave(1)@10.0.1.11:5051` or `master@[fd00::1]:5050`; null if it holds no IP literal. */
export function addressOfPid(pid: string | null): { readonly ip: string; readonly port: number } | null {
  const text = (pid ?? '').trim();
  const at = text.lastIndexOf('@');
  if (at < 0) return null;
  const rest = text.slice(at + 1);
  const parts = splitHostPort(rest) ?? unbracketed(rest);
  return parts !== null && isIp(parts.host) ? { ip: parts.host.toLowerCase(), port: parts.port } : null;
}

/** Old masters write IPv6 pids without brackets. */
function unbracketed(text: string): { readonly host: string; readonly port: number } | null {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  return colon > 0 && Number.isInteger(port) ? { host: text.slice(0, colon), port } : null;
}

export const isIp = (text: string): boolean => isIPv4(text) || isIPv6(text);

/** Ids and names recur thousands of times in one picture; each is kept once. */
const interned = new Map<string, string>();
const mostInterned = 65536;

export function intern(text: string): string {
  const known = interned.get(text);
  if (known !== undefined) return known;
  if (interned.size >= mostInterned) interned.clear();
  interned.set(text, text);
  return text;
}
