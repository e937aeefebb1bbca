// Equality of records: plain frozen data compared by value. Lets an update that changes nothing be dropped where it arrives.

export function sameRecord(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && sameItems(a, b);
  return !Array.isArray(b) && sameFields(a as Record<string, unknown>, b as Record<string, unknown>);
}

/** Whether two records have the same in each of `fields`: quick where they share what they hold, as a record and its update do. */
export function sameIn<R, K extends keyof R>(a: R, b: R, fields: readonly K[]): boolean {
  for (const field of fields) if (!sameRecord(a[field], b[field])) return false;
  return true;
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!sameRecord(a[i], b[i])) return false;
  return true;
}

function sameFields(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  let fields = 0;
  for (const key in a) {
    fields++;
    if (!(key in b) || !sameRecord(a[key], b[key])) return false;
  }
  for (const _ in b) fields--;
  return fields === 0;
}
