// Addresses in answers that name the inside of a path rewriting: Location, Content-Location, Refresh (specs/l7.md §1.9).

import type { FieldList } from '../http1/index.ts';
import type { LocationChange } from './options-record.ts';

/** Fields of an answer that are written anew: their lower-case names, and the lines instead. */
export interface ChangedFields {
  readonly names: readonly string[];
  readonly lines: string;
}

const written: readonly (readonly [name: string, field: string])[] = [
  ['location', 'Location'],
  ['content-location', 'Content-Location'],
];

/** Null where an answer has none to change. */
export function locationChanger(rule: LocationChange): (fields: FieldList) => ChangedFields | null {
  const change = addressChanger(rule);
  return (fields) => {
    const names: string[] = [];
    let lines = '';
    for (const [name, field] of written) {
      if (name !== 'location' && !rule.keepPath) continue;
      const value = fields.get(name);
      const changed = value === null ? null : change(value);
      if (changed === null) continue;
      names.push(name);
      lines += `${field}: ${changed}\r\n`;
    }
    const refresh = rule.keepPath ? refreshed(fields.get('refresh'), change) : null;
    if (refresh !== null) {
      names.push('refresh');
      lines += `Refresh: ${refresh}\r\n`;
    }
    return names.length === 0 ? null : { names, lines };
  };
}

function addressChanger({ to, hosts, keepPath }: LocationChange): (address: string) => string | null {
  const own = new Set(hosts.map((host) => host.toLowerCase()));
  return (address) => {
    const match = /^(?:https?:\/\/([^/?#:]+|\[[^\]]*\])(?::\d+)?)?([/?#].*)?$/i.exec(address);
    if (match === null || address.startsWith('//')) return null;
    const host = match[1]?.toLowerCase();
    const rest = match[2] ?? '/';
    if (host === undefined ? !rest.startsWith('/') : !own.has(host)) return null;
    if (!keepPath) return to;
    return to.endsWith('/') && rest.startsWith('/') ? to + rest.slice(1) : to + rest;
  };
}

function refreshed(value: string | null, change: (address: string) => string | null): string | null {
  const match = value === null ? null : /^(\s*\d+\s*[;,]\s*url\s*=\s*)(.*)$/i.exec(value);
  const changed = match === null ? null : change(match[2] ?? '');
  return changed === null ? null : (match?.[1] ?? '') + changed;
}
