// `${NAME}` in any text of the configuration stands for a variable of the environment; `$${` for a plain `${`.

import type { ConfigPath, Finding } from './problem.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

interface Expansion {
  readonly value: unknown;
  readonly findings: readonly Finding[];
  /** Whether the text at this path held a reference: what it stands for must not be shown. */
  isExpanded(path: ConfigPath): boolean;
}

export function expandReferences(tree: unknown, environment: Environment): Expansion {
  const findings: Finding[] = [];
  const expanded = new Set<string>();
  const text = (written: string, path: ConfigPath): string => {
    if (!written.includes('${')) return written;
    expanded.add(JSON.stringify(path));
    return written.replaceAll(/\$\$\{|\$\{([^}]*)\}/g, (whole: string, name: string | undefined) => {
      if (name === undefined) return '${';
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
      if (value === undefined) findings.push(missing(name, path));
      return value ?? whole;
    });
  };
  const walk = (value: unknown, path: ConfigPath): unknown => {
    if (typeof value === 'string') return text(value, path);
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index]));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]));
  };
  return { value: walk(tree, []), findings, isExpanded: (path) => expanded.has(JSON.stringify(path)) };
}

function missing(name: string, path: ConfigPath): Finding {
  const message = /^[A-Za-z_]\w*$/.test(name)
    ? `the environment variable ${name} is not set`
    : `"${name}" is no name of a variable`;
  return { path, message, remedy: 'set it, write the value itself, or `$${` for a plain `${`', severity: 'error' };
}
