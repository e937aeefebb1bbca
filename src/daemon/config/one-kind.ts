// Entries of lists that are of one kind each: `- mesos: {…}`, `- directory: …`.

import { checked, type Field } from './field.ts';

/** Exactly one of `kinds` is there (not null). */
export function exactlyOne<T extends Readonly<Record<string, unknown>>>(
  field: Field<T>,
  kinds: readonly (keyof T & string)[],
): Field<T> {
  return checked(field, 'all', (entry, fail) => {
    const present = kinds.filter((kind) => entry[kind] !== null);
    if (present.length === 1) return;
    const remedy = present.length === 0 ? `write one of ${kinds.join(', ')}` : 'write one entry of the list for each';
    fail([], { wrong: present.length === 0 ? 'is of no kind' : `is of several kinds: ${present.join(', ')}`, remedy });
  });
}
