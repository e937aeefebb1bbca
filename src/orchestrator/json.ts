// Reads fields of foreign JSON without trusting it: each function gives the wanted kind or says that it is not there.

export type JsonObject = Readonly<Record<string, unknown>>;

const nothing: JsonObject = Object.freeze({});

/** The object, or an empty one in place of anything else. */
export const objectOf = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : nothing;

/** The list, or an empty one: Mesos up to 1.9 writes `{}` for an empty section (specs/orchestrator.md §1.4). */
export const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? (value as readonly unknown[]) : [];

export const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

export const numberOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

export const flagOf = (value: unknown): boolean | null => (typeof value === 'boolean' ? value : null);

/** A port number from 1 to 65535, or null: 0 means that none was given. */
export const portOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 65535 ? value : null;
