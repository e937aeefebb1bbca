// The building blocks of the schema: leaves, lists, maps and sections, on zod. Every one of them tells all problems below it at once, and
// each problem carries its remedy.

import { z } from 'zod';
import { isMistake, type Mistake } from './mistake.ts';
import { nearestKey } from './nearest-key.ts';

export type Field<T> = z.ZodType<T>;
type Shape = Readonly<Record<string, Field<unknown>>>;
type Section<S extends Shape> = { readonly [K in keyof S]: z.output<S[K]> };
type Context = Pick<z.RefinementCtx, 'addIssue'>;

/** What a problem carries besides its message. */
export interface IssueParams {
  readonly remedy: string;
  /** The value must not be shown. */
  readonly isSecret?: boolean;
  /** The message is about a key or a whole, so the value is not quoted before it. */
  readonly isWhole?: boolean;
}

const missing: Mistake = { wrong: 'is missing', remedy: 'give it a value' };

/** One value, read by `parse`; `example` shows what to write where it is missing. */
export function leaf<T>(parse: (value: unknown) => T | Mistake, example?: string, isSecret = false): Field<T> {
  return z.unknown().transform((value, context) => {
    const absent = example === undefined ? missing : { ...missing, remedy: `write ${example}` };
    const result = value === undefined || value === null ? absent : parse(value);
    if (!isMistake(result)) return result;
    report(context, result, { isSecret });
    return z.NEVER;
  }) as Field<T>;
}

/** A leaf that is text in YAML. */
export function text<T>(parse: (text: string) => T | Mistake, example?: string): Field<T> {
  return leaf((value) => (typeof value === 'string' ? parse(value.trim()) : notText(value)), example);
}

export const word: Field<string> = text<string>((value) =>
  value === '' ? { wrong: 'is empty', remedy: 'write a word' } : value,
);

export const flag: Field<boolean> = leaf<boolean>((value) => {
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === 'false') return value === 'true';
  return { wrong: 'is neither true nor false', remedy: 'write true or false' };
});

export function integer(least: number, most: number): Field<number> {
  return leaf<number>((value) => {
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most) return number;
    return {
      wrong: `is no whole number from ${least} to ${most}`,
      remedy: `write a number such as ${Math.max(least, Math.min(most, 1))}`,
    };
  });
}

/** One of some words (or numbers, compared as text). */
export function oneOf<const T extends string>(...words: readonly T[]): Field<T> {
  return leaf<T>((value) => {
    const found = words.find((word) => word === String(value));
    if (found !== undefined) return found;
    const near = typeof value === 'string' ? nearestKey(value, words) : null;
    return {
      wrong: 'is not one of the words possible here',
      remedy: near === null ? `write ${words.join(' or ')}` : `did you mean "${near}"? (${words.join(', ')})`,
    };
  });
}

/** Absent or null: `fallback`, as it stands. */
export function optional<T, F>(field: Field<T>, fallback: F): Field<T | F> {
  return z
    .preprocess((value) => value ?? undefined, field.optional())
    .transform((value) => (value === undefined ? fallback : value)) as Field<T | F>;
}

/** Absent: read as if `written` stood there. Null: as absent. */
export function defaulted<T>(field: Field<T>, written: unknown): Field<T> {
  return z.preprocess((value) => value ?? written, field);
}

/** A lone number or word is a section with `key` alone. */
export function shorthand<T>(field: Field<T>, key: string): Field<T> {
  const isLone = (value: unknown): boolean => typeof value === 'number' || typeof value === 'string';
  return z.preprocess((value) => (isLone(value) ? { [key]: value } : value), field);
}

/** Absent: read as if `written` stood there. Null, `off`: null, which is "none". */
export function defaultedOrOff<T>(field: Field<T>, written: unknown): Field<T | null> {
  return z.preprocess(
    (value) => (value === undefined ? written : value === 'off' || value === false ? null : value),
    optional(field, null),
  );
}

/** A list; a lone value is a list of one. */
export function list<T>(item: Field<T>): Field<readonly T[]> {
  const array = z.array(item);
  return z.preprocess((value) => (isScalar(value) ? [value] : value), array);
}

/** A list without the same twice, by `keyOf`. */
export function distinct<T>(item: Field<T>, keyOf: (item: T) => string = String): Field<readonly T[]> {
  return list(item).superRefine((items, context) => {
    const seen = new Set<string>();
    items.forEach((item, index) => {
      const key = keyOf(item);
      if (seen.has(key))
        report(
          context,
          { wrong: 'stands here for the second time', remedy: 'remove one of the two' },
          { path: [index] },
        );
      seen.add(key);
    });
  });
}

/** A map with keys of the user's own; `checkKey` judges them. */
export function mapOf<T>(
  item: Field<T>,
  checkKey: (key: string) => Mistake | null,
): Field<Readonly<Record<string, T>>> {
  return z.record(z.string(), item).superRefine((map, context) => {
    for (const key of Object.keys(map)) {
      const mistake = checkKey(key);
      if (mistake !== null)
        report(context, { ...mistake, wrong: `"${key}" ${mistake.wrong}` }, { path: [key], isWhole: true });
    }
  });
}

/** A map with fixed keys. Unknown ones are problems and come with the nearest known one. */
export function section<S extends Shape>(shape: S): Field<Section<S>> {
  const unknownKeys = z.superRefine<object>(
    (value, context) => {
      for (const key of Object.keys(value))
        if (!Object.hasOwn(shape, key))
          report(context, unknownKey(key, Object.keys(shape)), { path: [key], isWhole: true });
    },
    // Also where values have problems: all are told at once.
    { when: ({ value }) => typeof value === 'object' && value !== null && !Array.isArray(value) },
  );
  return z.looseObject(shape).check(unknownKeys) as unknown as Field<Section<S>>;
}

/** A section that may be absent (null), but not empty. */
export function optionalSection<T>(field: Field<T>): Field<T | null> {
  const remedy = 'write its keys below it, {} for its defaults, or remove the line';
  return z
    .preprocess((value, context) => {
      if (value === null) report(context, { wrong: 'is empty', remedy }, { isWhole: true });
      return value ?? undefined;
    }, field.optional())
    .transform((value) => value ?? null) as Field<T | null>;
}

/** What `map` makes of a field's value, once that is right. */
export function mapped<T, U>(field: Field<T>, map: (value: T) => U): Field<U> {
  return field.transform((value) => map(value)) as Field<U>;
}

/** A list or map that must be there: `example` shows what to write. */
export function required<T>(field: Field<T>, example: string): Field<T> {
  return z.preprocess((value, context) => {
    if (value === undefined || value === null)
      report(context, { wrong: 'is missing', remedy: `write ${example}` }, { isWhole: true });
    return value;
  }, field);
}

export type Fail = (path: readonly (string | number)[], mistake: Mistake) => void;

/**
 * A check of `keys` of a section against each other; runs once these are right in themselves, whatever else is wrong in the section.
 * `all`: runs once everything in it is right, unknown keys included, where those may be the reason.
 */
export function checked<T extends object, K extends keyof T & string>(
  field: Field<T>,
  keys: readonly K[] | 'all',
  check: (value: Pick<T, K>, fail: Fail) => void,
): Field<T> {
  const refinement = z.superRefine<T>(
    (value, context) => check(value, (path, mistake) => report(context, mistake, { path, isWhole: true })),
    {
      when: ({ value, issues }) =>
        typeof value === 'object' && value !== null && !issues.some((issue) => meets(issue.path, keys)),
    },
  );
  return field.check(refinement);
}

/** As `checked` with `all`, for a list. */
export function checkedList<T>(
  field: Field<readonly T[]>,
  check: (items: readonly T[], fail: Fail) => void,
): Field<readonly T[]> {
  return field.superRefine((items, context) =>
    check(items, (path, mistake) => report(context, mistake, { path, isWhole: true })),
  );
}

/** A list with at least one item. */
export function nonEmpty<T>(field: Field<readonly T[]>, remedy: string, wrong = 'is empty'): Field<readonly T[]> {
  return checkedList(field, (items, fail) => {
    if (items.length === 0) fail([], { wrong, remedy });
  });
}

/** Whether a problem at `path` within a section is about one of `keys`, or about the section as such. */
function meets(path: readonly PropertyKey[] | undefined, keys: readonly string[] | 'all'): boolean {
  const key = path?.[0];
  return keys === 'all' || key === undefined || keys.includes(String(key));
}

interface ReportOptions extends Partial<IssueParams> {
  readonly path?: readonly (string | number)[];
}

function report(context: Context, { wrong, remedy }: Mistake, { path, isSecret, isWhole }: ReportOptions): void {
  const params: IssueParams = { remedy, isSecret: isSecret ?? false, isWhole: isWhole ?? false };
  context.addIssue({
    code: 'custom',
    message: wrong,
    params: { ...params },
    ...(path === undefined ? {} : { path: [...path] }),
  });
}

function unknownKey(key: string, known: readonly string[]): Mistake {
  const near = nearestKey(key, known);
  const all = known.length <= 12 ? `known keys: ${known.join(', ')}` : 'see the manual for the keys known here';
  return { wrong: `there is no key "${key}" here`, remedy: near === null ? all : `did you mean "${near}"?` };
}

function notText(value: unknown): Mistake {
  if (Array.isArray(value)) return { wrong: 'is a list where one value is due', remedy: 'write one value' };
  if (typeof value === 'object') return { wrong: 'is a map where one value is due', remedy: 'write one value' };
  return { wrong: `is a ${typeof value} to YAML, not text`, remedy: 'put it in quotes, if it is meant' };
}

function isScalar(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}
