// A hash of a row of a table, by which two processes know that they hold the same. Not for what somebody may want to collide.

/** Marks that tell values of different kinds apart; behind them follows what the value holds. */
const marks = { null: 1, true: 2, false: 3, number: 4, text: 5, list: 6, fields: 7, end: 8 } as const;

/** 32 bits of the key and all that the record holds, in the order of its fields, which survives the trip as JSON. */
export const hashRow = (key: string, record: unknown): number => hashRecord(hashKey(key), record);

/** The part of `hashRow` that the key is. */
export const hashKey = (key: string): number => hashText(key, 0x811c9dc5);

/** `hashRow` by the key's part. */
export const hashRecord = (key: number, record: unknown): number =>
  finish(typeof record === 'string' ? hashText(record, key) : hashValue(record, key));

const mix = (hash: number, value: number): number => {
  const product = Math.imul(hash ^ value, 0x5bd1e995);
  return product ^ (product >>> 15);
};

/** Sums of hashes are compared: each bit of one must hang on all that went in. */
function finish(hash: number): number {
  const first = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35);
  return (second ^ (second >>> 16)) >>> 0;
}

/** Of plain data, without a text of it being made: that took longer than the hash. */
function hashValue(value: unknown, hash: number): number {
  switch (typeof value) {
    case 'string':
      return hashText(value, mix(hash, marks.text));
    case 'number':
      return Number.isInteger(value) && Math.abs(value) <= 0x7fffffff
        ? mix(mix(hash, marks.number), value)
        : hashText(String(value), mix(hash, marks.number));
    case 'boolean':
      return mix(hash, value ? marks.true : marks.false);
    default:
      return value === null || typeof value !== 'object' ? mix(hash, marks.null) : hashFields(value, hash);
  }
}

function hashFields(value: object, seed: number): number {
  if (Array.isArray(value)) {
    let hash = mix(seed, marks.list);
    for (const item of value as readonly unknown[]) hash = hashValue(item, hash);
    return mix(hash, marks.end);
  }
  let hash = mix(seed, marks.fields);
  for (const key in value) {
    const field = (value as Readonly<Record<string, unknown>>)[key];
    if (field !== undefined) hash = hashValue(field, hashText(key, hash));
  }
  return mix(hash, marks.end);
}

/** 32 bits of a text, four units a step; `seed` is any number, or the hash of what is before it. */
export function hashText(text: string, seed: number): number {
  const { length } = text;
  const whole = length & ~3;
  let hash = seed;
  let i = 0;
  for (; i < whole; i += 4) {
    const low = text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16);
    const high = text.charCodeAt(i + 2) | (text.charCodeAt(i + 3) << 16);
    hash = mix(hash, low ^ Math.imul(high, 0x9e3779b1));
  }
  for (; i < length; i++) hash = mix(hash, text.charCodeAt(i));
  return mix(hash, length);
}
