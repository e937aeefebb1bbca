// Sizes in bytes (`512B`, `64k`, `2MiB`) and counts (`10000`, `10k`).

import type { Mistake } from './mistake.ts';

/** A lone letter is binary, as in nginx and HAProxy; `kB`, `MB` and `GB` are decimal, `KiB` and its like binary. */
const unitBytes: Readonly<Record<string, number>> = {
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
};

/** Bytes. 0 and `off` are 0, which means "no limit". A number without unit is refused unless the key's own name says bytes. */
export function parseSize(value: unknown, isUnitInName = false): number | Mistake {
  if (value === 0 || value === '0' || value === 'off' || value === 'none') return 0;
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(typeof value === 'number' ? String(value) : textOr(value));
  if (match === null)
    return { wrong: 'is no size', remedy: 'write a number with B, k, M, G or KiB, MiB, GiB, such as 64k' };
  const [, number = '', unit = ''] = match;
  if (unit === '' && !isUnitInName)
    return { wrong: 'needs a unit', remedy: `write ${number}k, ${number}M or ${number}B` };
  const factor = unit === '' ? 1 : unitBytes[unit.toLowerCase()];
  if (factor === undefined) return { wrong: `has the unknown unit ${unit}`, remedy: 'use B, k, M, G, KiB, MiB or GiB' };
  const bytes = Number(number) * factor;
  return Number.isSafeInteger(Math.round(bytes))
    ? Math.round(bytes)
    : { wrong: 'is too large', remedy: 'write less, or off for no limit' };
}

const thousands: Readonly<Record<string, number>> = { '': 1, k: 1000, m: 1_000_000 };

/** A whole number from 0; `10k` is ten thousand; `off` is 0, which means "no limit" where it counts against one. */
export function parseCount(value: unknown): number | Mistake {
  if (value === 'off' || value === 'none') return 0;
  const match = /^(\d{1,15})([kM]?)$/.exec(typeof value === 'number' ? String(value) : textOr(value));
  if (match === null) return { wrong: 'is no whole number from 0', remedy: 'write a number such as 200 or 10k' };
  return Number(match[1]) * (thousands[(match[2] ?? '').toLowerCase()] ?? 1);
}

function textOr(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
