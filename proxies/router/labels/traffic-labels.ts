// Values of ISTHMUS_<n>_CANARY_*, _MIRROR* and _FAULT_*.

import type { ValueRejection } from '../label-values.ts';
import type { Faults, Mirror, NamedValue } from '../traffic-record.ts';
import { durationMs } from './haproxy-duration.ts';

const isName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const longestDelayMs = 60_000;

/** `x-canary:1`, or `x-canary` for any value. */
export function parseFieldValue(text: string): NamedValue | ValueRejection {
  const [, name = '', value] = /^\s*([^:\s]+)\s*(?::(.*))?$/.exec(text) ?? [];
  if (!isName.test(name)) return { rejected: `"${text}" names no field`, hint: 'NAME:VALUE, or NAME for any value' };
  return { name: name.toLowerCase(), value: value?.trim() ?? null };
}

/** `beta=1`, or `beta` for any value. */
export function parseCookieValue(text: string): NamedValue | ValueRejection {
  const [, name = '', value] = /^\s*([^=\s]+)\s*(?:=(.*))?$/.exec(text) ?? [];
  if (!isName.test(name)) return { rejected: `"${text}" names no cookie`, hint: 'NAME, or NAME=VALUE' };
  return { name, value: value?.trim() ?? null };
}

/** `5` or `5%`. */
export function parsePercent(text: string): number | ValueRejection {
  const [, digits] = /^\s*(\d{1,3}(?:\.\d+)?)\s*%?\s*$/.exec(text) ?? [];
  const percent = Number(digits ?? NaN);
  return percent >= 0 && percent <= 100
    ? percent
    : { rejected: `"${text}" is no share of a hundred`, hint: 'a number from 0 to 100, such as 5%' };
}

/** `/shop/next@10%`, or `/shop/next:1@10%` for its second port. */
export function parseMirror(text: string): Pick<Mirror, 'appId' | 'portIndex' | 'percent'> | ValueRejection {
  const [, app = '', port = '0', share = ''] = /^\s*([^\s@:]+)(?::(\d{1,4}))?@(\S+)\s*$/.exec(text) ?? [];
  const percent = parsePercent(share);
  if (app === '' || typeof percent !== 'number')
    return { rejected: `"${text}" names no app and share`, hint: 'such as /shop/next@10% or /shop/next:1@10%' };
  return { appId: app.startsWith('/') ? app : `/${app}`, portIndex: Number(port), percent };
}

/** `2s@5%`. */
export function parseDelay(text: string): NonNullable<Faults['delay']> | ValueRejection {
  const [, time = '', share = ''] = /^\s*(\w+)@(\S+)\s*$/.exec(text) ?? [];
  const [ms, percent] = [durationMs(time), parsePercent(share)];
  if (ms === null || typeof percent !== 'number')
    return { rejected: `"${text}" is no delay and share`, hint: 'such as 2s@5%' };
  if (ms > longestDelayMs) return { rejected: `${time} is longer than 60s`, hint: 'at most 60s' };
  return { ms, percent };
}

/** `503@1%`. */
export function parseAbort(text: string): NonNullable<Faults['abort']> | ValueRejection {
  const [, status = '', share = ''] = /^\s*([45]\d\d)@(\S+)\s*$/.exec(text) ?? [];
  const percent = parsePercent(share);
  if (status === '' || typeof percent !== 'number')
    return { rejected: `"${text}" is no status and share`, hint: 'such as 503@1%, of 400 to 599' };
  return { status: Number(status), percent };
}

/** A moment, as epoch milliseconds. */
export function parseUntil(text: string): number | ValueRejection {
  const ms = /^\s*\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.trim()) : NaN;
  return Number.isNaN(ms) ? { rejected: `"${text}" is no moment`, hint: 'such as 2026-12-01T18:00:00Z' } : ms;
}
