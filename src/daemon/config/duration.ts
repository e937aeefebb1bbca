// Durations: `500ms`, `10s`, `5m`, `1h`, `2d`, and compounds such as `1h30m`. In milliseconds from here on.

import type { Mistake } from './mistake.ts';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** What one timer of Node can hold (2³¹ − 1 ms): a longer one would fire at once. */
const longestMs = 24 * 86_400_000;

/** Milliseconds. `off`, `none` and 0 are 0, which means "no limit" wherever a duration limits something. */
export function parseDuration(value: unknown): number | Mistake {
  if (value === 0 || value === '0' || value === 'off' || value === 'none') return 0;
  if (isNumber(value) && Number(value) > 0)
    return { wrong: 'needs a unit', remedy: `write ${String(value)}s, ${String(value)}ms or ${String(value)}m` };
  if (typeof value !== 'string' || !/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(value)) {
    return { wrong: 'is no duration', remedy: 'write a number with ms, s, m, h or d, such as 10s or 1h30m' };
  }
  let totalMs = 0;
  for (const [, number, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    totalMs += Number(number) * (unitMs[unit ?? ''] ?? 0);
  if (totalMs > longestMs) return { wrong: 'is longer than 24 days', remedy: 'write 24d or less, or off for no limit' };
  return Math.round(totalMs);
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' || (typeof value === 'string' && /^-?\d+(?:\.\d+)?$/.test(value));
}
