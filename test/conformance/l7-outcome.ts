// What became of one case of the router's conformance, and which cases are exempt.

import { readFileSync } from 'node:fs';

export interface Outcome {
  readonly name: string;
  /** Empty: passed. */
  readonly differences: readonly string[];
  /** Why there is nothing to see; such a case is neither passed nor failed. */
  readonly exempt?: string;
}

export type Report = (outcome: Outcome) => void;
export type Row = Readonly<Record<string, unknown>>;

const exemptions = (
  JSON.parse(readFileSync(new URL('exempt.json', import.meta.url), 'utf8')) as {
    readonly l7: Readonly<Record<string, string>>;
  }
).l7;

/** The reason of exempt.json for this name, or undefined. */
export const exemptionOf = (name: string): string | undefined => exemptions[name];

/** Reports one case: exempt by its name or its kind, else by what `run` finds; what it throws is a difference. */
export async function judge(
  name: string,
  report: Report,
  run: () => Promise<readonly string[]> | readonly string[],
  kind = name,
): Promise<void> {
  const exempt = exemptionOf(name) ?? exemptionOf(kind);
  if (exempt !== undefined) {
    report({ name, differences: [], exempt });
    return;
  }
  try {
    report({ name, differences: await run() });
  } catch (error) {
    report({ name, differences: [error instanceof Error ? error.message : String(error)] });
  }
}

/** `value` as an array of objects; throws where the file holds something else. */
export function rowsOf(value: unknown, what: string): readonly Row[] {
  const isRow = (row: unknown): boolean => typeof row === 'object' && row !== null && !Array.isArray(row);
  if (!Array.isArray(value) || !value.every(isRow)) throw new Error(`${what} is no list of cases`);
  return value as readonly Row[];
}

export const rowOf = (value: unknown): Row =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Row) : {};

export const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];

/** One line where two values differ as JSON. */
export function same(what: string, actual: unknown, expected: unknown): readonly string[] {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  return a === b ? [] : [`${what} is ${String(a)}, expected ${String(b)}`];
}
