// Reads traefik.* labels of an app or of one segment of it: the segment's own value, else the app's (specs/l7.md §2.1).

import { hasControl, parseList, type ValueRejection } from '../label-values.ts';
import type { LabelReader } from './label-reader.ts';

const perSegment = /^traefik\.([^.]+)\.(?:port|portIndex|portName|weight|protocol|backend|frontend\..+)$/;

/** Names of the segments in the order of their labels; empty: the app is one pair itself. */
export function segmentsOf(keys: readonly string[]): readonly string[] {
  const names = keys.flatMap((key) => perSegment.exec(key)?.[1] ?? []);
  return [...new Set(names)].filter((name) => name !== 'frontend' && name !== 'backend');
}

export class TraefikLabels {
  readonly reader: LabelReader;
  /** '': the app itself. */
  readonly segment: string;

  constructor(reader: LabelReader, segment: string) {
    this.reader = reader;
    this.segment = segment;
  }

  key(name: string): string {
    const own = `traefik.${this.segment}.${name}`;
    return this.segment !== '' && this.reader.get(own) !== undefined ? own : `traefik.${name}`;
  }

  text(name: string): string | null {
    return this.reader.get(this.key(name)) ?? null;
  }

  /** Go's words; anything else is the default, with a warning. */
  flag<D>(name: string, otherwise: D): boolean | D {
    const parse = (text: string): boolean | ValueRejection => goBoolean(text) ?? wrong(text, 'true or false');
    return this.reader.value(this.key(name), parse, otherwise);
  }

  integer<D>(name: string, otherwise: D): number | D {
    const parse = (text: string): number | ValueRejection =>
      /^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : wrong(text, 'a whole number');
    return this.reader.value(this.key(name), parse, otherwise);
  }

  list(name: string): readonly string[] {
    return parseList(this.text(name) ?? '');
  }

  /** `K:v||K2:v2`; values may be empty. Pairs that could break out of a header are reported and left out. */
  pairs(name: string): readonly (readonly [key: string, value: string])[] {
    const text = this.text(name);
    if (text === null) return [];
    return text.split('||').flatMap((part) => {
      const colon = part.indexOf(':');
      const key = part.slice(0, colon).trim();
      if (colon > 0 && /^[!#$%&'*+.^_`|~\w-]+$/.test(key) && !hasControl(part))
        return [[key, part.slice(colon + 1).trim()] as const];
      this.reader.report(this.key(name), 'warn', `"${part}" is no name and value`, 'Name:value||Name2:value2');
      return [];
    });
  }

  /** Names between `prefix.` and the last part: `frontend.errors.<name>.status`. */
  names(prefix: string): readonly string[] {
    const scopes =
      this.segment === '' ? [`traefik.${prefix}.`] : [`traefik.${this.segment}.${prefix}.`, `traefik.${prefix}.`];
    const found = scopes.flatMap((scope) =>
      this.reader.keys.flatMap((key) => (key.startsWith(scope) ? [key.slice(scope.length).split('.')[0] ?? ''] : [])),
    );
    return [...new Set(found)].filter((name) => name !== '');
  }

  /** Go's durations (`1m30s`), or seconds without a unit. */
  durationMs<D>(name: string, otherwise: D): number | D {
    return this.reader.value(
      this.key(name),
      (text) => goDurationMs(text) ?? wrong(text, 'a time such as 10s'),
      otherwise,
    );
  }

  warn(name: string, reason: string, hint: string): void {
    this.reader.report(this.key(name), 'warn', reason, hint);
  }
}

const wrong = (text: string, hint: string): ValueRejection => ({ rejected: `"${text}" is not ${hint}`, hint });

function goBoolean(text: string): boolean | null {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  return /^(0|f|F|FALSE|false|False)$/.test(text) ? false : null;
}

const units: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function goDurationMs(text: string): number | null {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+$/.test(text)) return null;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g))
    total += Number(number) * (units[unit ?? ''] ?? 0);
  return Math.round(total);
}
