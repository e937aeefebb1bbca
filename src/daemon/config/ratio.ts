// Shares of a whole: `50%` is 0.5.

import type { Mistake } from './mistake.ts';

/** A number from 0 to 1. */
export function parseRatio(value: unknown): number | Mistake {
  if (typeof value === 'number')
    return { wrong: 'needs a percent sign', remedy: `write ${String(value <= 1 ? value * 100 : value)}%` };
  const match = typeof value === 'string' ? /^(\d{1,3}(?:\.\d+)?)\s*%$/.exec(value) : null;
  const percent = Number(match?.[1] ?? NaN);
  if (!(percent <= 100)) return { wrong: 'is no percentage', remedy: 'write 0% to 100%, such as 50%' };
  return percent / 100;
}
