// Tables for people: aligned columns, two spaces between them, nothing behind the last. Programs ask for JSON instead.

interface TableOptions {
  /** Bold heads, for terminals. */
  readonly colour?: boolean;
}

/** Lines of a table, each ended by a newline; '' where there are no rows. Control characters in cells are shown as `?`. */
export function formatColumns(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string {
  if (rows.length === 0) return '';
  const clean = rows.map((row) => row.map((cell) => cell.replaceAll(/\p{Cc}/gu, '?')));
  const widths = heads.map((head, index) => Math.max(head.length, ...clean.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd();
  const head = options.colour === true ? `\u001b[1m${line(heads)}\u001b[22m` : line(heads);
  return [head, ...clean.map(line), ''].join('\n');
}

/** Records of any shape as a table: a column for each key in the order of first sight. */
export function formatRecords(
  records: readonly Readonly<Record<string, unknown>>[],
  options: TableOptions = {},
): string {
  const keys = [...new Set(records.flatMap((record) => Object.keys(record)))];
  const rows = records.map((record) => keys.map((key) => cellOf(record[key])));
  return formatColumns(keys.map(headOf), rows, options);
}

/** `ageSeconds` is AGE SECONDS. */
function headOf(key: string): string {
  return key.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').toUpperCase();
}

function cellOf(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cellOf).join(' ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
}
