// Reading plain values out of YAML by path, for checks that must work beside mistakes elsewhere in the file.

import type { ConfigPath } from './problem.ts';

type RawMap = Readonly<Record<string, unknown>>;

export function isMap(value: unknown): value is RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at `path`, or undefined. */
export function rawAt(tree: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>((value, key) => {
    if (Array.isArray(value)) return (value as readonly unknown[])[Number(key)];
    return isMap(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }, tree);
}

/** The items of a list; a lone value is a list of one, anything absent is none. */
export function rawList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return value === undefined || value === null ? [] : [value];
}
