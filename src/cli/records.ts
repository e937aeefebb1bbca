// Reading answers of the admin API whose shape this program does not own: what is missing is shown as missing, not stumbled over.

export type AnswerRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is AnswerRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The records of a list; nothing where it is no list. */
export function recordsIn(value: unknown): readonly AnswerRecord[] {
  return Array.isArray(value) ? (value as readonly unknown[]).filter(isRecord) : [];
}

export function textsIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? (value as readonly unknown[]).filter((item) => typeof item === 'string') : [];
}

/** A value in a table's cell. */
export function cell(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value) || '-'
    : '-';
}
