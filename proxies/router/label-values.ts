// Values of labels: booleans, integers, lists, as Marathon-LB reads them with its faults corrected (specs/l7.md §1.5).

export interface ValueRejection {
  readonly rejected: string;
  readonly hint: string;
}

const yes: ReadonlySet<string> = new Set(['true', 't', 'yes', 'y', '1', 'on']);
const no: ReadonlySet<string> = new Set(['false', 'f', 'no', 'n', '0', 'off', '']);

export function parseBoolean(value: string): boolean | ValueRejection {
  const word = value.trim().toLowerCase();
  if (yes.has(word)) return true;
  return no.has(word) ? false : { rejected: `"${value}" is neither true nor false`, hint: 'true or false' };
}

export function parseInteger(value: string): number | ValueRejection {
  const text = value.trim();
  const number = Number(text);
  if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  return { rejected: `"${value}" is no whole number`, hint: 'a number such as 0, 1 or 10' };
}

/** As Marathon-LB itself reads it: four words in any case, everything else is false. */
export const parseReferenceBoolean = (value: string): boolean => /^(true|t|yes|y)$/i.test(value);

export function isRejection(value: unknown): value is ValueRejection {
  return typeof value === 'object' && value !== null && 'rejected' in value;
}

/** Whether a value could break out of a header line. */
export function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x20 || text.charCodeAt(i) === 0x7f) return true;
  return false;
}

/** Items between commas, trimmed, without empty ones. */
export function parseList(value: string): readonly string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** The candidate with the fewest edits, null where none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  let best: string | null = null;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    if (distance < least) [least, best] = [distance, candidate];
  }
  return best;
}

/** Levenshtein. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replaced));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
