// parseConfig: the text of a configuration file to a Config, or to every problem of it at once, each with its line.

import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { crossChecks } from './cross-checks.ts';
import { type Environment, expandReferences } from './environment.ts';
import type { IssueParams } from './field.ts';
import { fileFields } from './file-fields.ts';
import { placeProblems } from './place-problems.ts';
import type { ConfigPath, ConfigProblem, Finding } from './problem.ts';
import { rawAt } from './raw-value.ts';
import { type Config, schema } from './schema.ts';
import { Secret } from './secret.ts';
import { readYaml } from './yaml-tree.ts';

export interface ParsedConfig {
  /** Null if there is an error among the problems. */
  readonly config: Config | null;
  /** In the order of the file. */
  readonly problems: readonly ConfigProblem[];
}

/**
 * Reads a configuration. `file` is where `text` came from: relative paths in it are relative to its folder. Reads the files that it refers
 * to for secrets, and looks whether others exist; opens no connection. Never throws on any text.
 */
export function parseConfig(text: string, file: string, env: Environment = process.env): ParsedConfig {
  const folder = dirname(resolve(file));
  const tree = readYaml(text);
  const expansion = expandReferences(tree.value, env);
  const parsed = schema(fileFields(folder)).safeParse(expansion.value ?? {});
  const issues = parsed.success
    ? []
    : parsed.error.issues.map((issue) => findingOf(issue, tree.value, expansion.isExpanded));
  const findings = [...issues, ...crossChecks(expansion.value, folder)];
  const problems = placeProblems(tree, expansion.findings, findings);
  const isGood = parsed.success && problems.every(({ severity }) => severity === 'warning');
  return { config: isGood ? deepFreeze(parsed.data) : null, problems };
}

function findingOf(issue: z.core.$ZodIssue, written: unknown, isExpanded: (path: ConfigPath) => boolean): Finding {
  const path = asWritten(
    issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key)),
    written,
  );
  const value = rawAt(written, path);
  const { message, remedy, ...params } = paramsOf(issue, value === undefined || value === null);
  const shown = params.isSecret === true || params.isWhole === true ? '' : quoted(value);
  const filled = isExpanded(path) ? ', filled in,' : '';
  const subject = shown === '' ? '' : `${shown}${filled} `;
  const isWhole = params.isWhole === true || value === undefined || value === null;
  return { path, message: `${subject}${message}`, remedy, severity: 'error', isWhole };
}

/** A lone value is read as a list of one: its place is the key's own. */
function asWritten(path: ConfigPath, written: unknown): ConfigPath {
  const above = path.slice(0, -1);
  const isLone =
    path.at(-1) === 0 && path.length > 0 && ['string', 'number', 'boolean'].includes(typeof rawAt(written, above));
  return isLone ? above : path;
}

function paramsOf(
  issue: z.core.$ZodIssue,
  isMissing: boolean,
): Partial<IssueParams> & { readonly message: string; readonly remedy: string } {
  if (issue.code === 'custom' && issue.params !== undefined)
    return { message: issue.message, remedy: 'correct it', ...issue.params };
  if (issue.code !== 'invalid_type') return { message: issue.message, remedy: 'correct it' };
  if (issue.expected === 'array') {
    return {
      message: isMissing ? 'is missing' : 'is no list',
      remedy: 'write a list: [ … ], or a line with "- " for each',
      isWhole: isMissing,
    };
  }
  return {
    message: isMissing ? 'is missing' : 'is no map of keys',
    remedy: 'write its keys below it, or {} for its defaults',
    isWhole: isMissing,
  };
}

/** A value as it stands in the file, without what may be a password in a URL; '' for what is absent, a map or a list. */
function quoted(value: unknown): string {
  if (typeof value !== 'string') return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
  const shown = value.replaceAll(/\/\/[^/@]*@/g, '//…@');
  return JSON.stringify(shown.length > 80 ? `${shown.slice(0, 79)}…` : shown);
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Secret || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) deepFreeze<unknown>(member);
  return Object.freeze(value);
}
