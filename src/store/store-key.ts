// Names of values: letters, digits and a few marks, in pieces, so that each is a path below a directory too.

/** Keys are `a-z 0-9 - . _ /`, with no empty, `.` or `..` piece. Throws RangeError for others: they come from the program alone. */
export function checkedKey(key: string): string {
  const pieces = key.split('/');
  if (pieces.every((piece) => /^[a-z0-9._-]+$/.test(piece) && piece !== '.' && piece !== '..')) return key;
  throw new RangeError(`no store key: "${key}"`);
}
