// What became of one case of DNS's conformance, and which cases are exempt.

import { readFileSync } from 'node:fs';

export interface Outcome {
  readonly name: string;
  /** Empty: passed. */
  readonly differences: readonly string[];
  /** Why there is nothing to see; such a case is neither passed nor failed. */
  readonly exempt?: string;
}

const exemptions = (
  JSON.parse(readFileSync(new URL('exempt.json', import.meta.url), 'utf8')) as {
    readonly dns: Readonly<Record<string, string>>;
  }
).dns;

/** The reason of exempt.json for a case, by its name, or undefined. */
const exemptionOf = (name: string): string | undefined => exemptions[name];

/** Runs one case unless it is exempt; what it throws is a difference. */
export async function judge(name: string, run: () => Promise<readonly string[]> | readonly string[]): Promise<Outcome> {
  const exempt = exemptionOf(name);
  if (exempt !== undefined) return { name, differences: [], exempt };
  try {
    return { name, differences: await run() };
  } catch (error) {
    return { name, differences: [error instanceof Error ? error.message : String(error)] };
  }
}

/** `value` as an array of objects; throws where the file holds something else. */
export function rowsOf(value: unknown, what: string): readonly Readonly<Record<string, unknown>>[] {
  const isRow = (row: unknown): boolean => typeof row === 'object' && row !== null && !Array.isArray(row);
  if (!Array.isArray(value) || !value.every(isRow)) throw new Error(`${what} is no list of cases`);
  return value as readonly Readonly<Record<string, unknown>>[];
}

export const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
