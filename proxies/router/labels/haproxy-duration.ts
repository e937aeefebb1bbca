// Durations as HAProxy writes them.

const units: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  '': 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** HAProxy's durations: milliseconds where no unit is said. */
export function durationMs(text: string): number | null {
  const [, number, unit = ''] = /^(\d+)(us|ms|s|m|h|d)?$/.exec(text) ?? [];
  return number === undefined ? null : Math.round(Number(number) * (units[unit] ?? 1));
}
