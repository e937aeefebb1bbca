// What `nft -j list table` prints, as elements, numbers of rules and counters. A thing that this version does not know is passed over:
// somebody else put it there.

import { Elements, setNames, type SetName } from './elements.ts';
import type { HeldTable } from './kernel.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export function readTable(text: string): HeldTable {
  const { nftables } = JSON.parse(text) as { readonly nftables: readonly Record<string, Json>[] };
  const held = { elements: new Elements(), rules: new Map<string, number>(), counts: new Map<string, number>() };
  for (const entry of nftables) {
    const chain = textAt(entry['chain'], 'name');
    const ruleOf = textAt(entry['rule'], 'chain');
    if (chain !== null) held.rules.set(chain, held.rules.get(chain) ?? 0);
    if (ruleOf !== null) held.rules.set(ruleOf, (held.rules.get(ruleOf) ?? 0) + 1);
    const set = entry['set'] ?? entry['map'];
    const name = setNames.find((one) => one === textAt(set, 'name'));
    const elements = at(set, 'elem');
    if (name !== undefined && Array.isArray(elements)) for (const one of elements as Json[]) take(name, one, held);
  }
  return held;
}

/** An element of a map is a pair of key and value, one of a set the key alone; a key with a counter is wrapped. */
function take(set: SetName, element: Json, held: Pick<HeldTable, 'elements'> & { counts: Map<string, number> }): void {
  const [keyPart, valuePart] = Array.isArray(element) ? (element as readonly Json[]) : [element, ''];
  const wrapped = at(keyPart ?? null, 'elem');
  const key = written(at(wrapped, 'val') ?? keyPart ?? null, set);
  const goto = textAt(at(valuePart ?? null, 'goto'), 'target');
  held.elements.put(set, key, goto === null ? written(valuePart ?? '', set) : `goto ${goto}`);
  const packets = at(at(wrapped, 'counter'), 'packets');
  if (typeof packets === 'number' && packets > 0) held.counts.set(`${set} ${key}`, packets);
}

function written(part: Json, set: SetName): string {
  const concat = at(part, 'concat');
  if (Array.isArray(concat)) return (concat as Json[]).map((one) => written(one, set)).join(' . ');
  const prefix = at(part, 'prefix');
  if (prefix !== null) return `${String(at(prefix, 'addr'))}/${String(at(prefix, 'len'))}`;
  const text = typeof part === 'string' || typeof part === 'number' ? String(part) : JSON.stringify(part);
  return text !== '' && (set === 'pairs' || set === 'inside') ? `"${text}"` : text;
}

function at(json: Json | undefined, key: string): Json {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null;
  return (json as { readonly [key: string]: Json })[key] ?? null;
}

function textAt(json: Json | undefined, key: string): string | null {
  const text = at(json, key);
  return typeof text === 'string' ? text : null;
}
