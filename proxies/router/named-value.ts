// Whether a request carries a field or cookie that a label names.

import { fieldId, type FieldList } from '../http1/index.ts';
import { cookieIn } from './sticky-cookie.ts';
import type { NamedValue } from './traffic-record.ts';

export function hasField(fields: Pick<FieldList, 'get'>, { name, value }: NamedValue): boolean {
  const found = fields.get(name);
  return found !== null && (value === null || found.trim() === value);
}

/** In any of the Cookie fields. */
export function hasCookie(fields: FieldList, cookie: NamedValue): boolean {
  for (let i = fields.indexOf(fieldId.cookie); i >= 0; i = fields.indexOf(fieldId.cookie, i + 1))
    if (isCookieIn(fields.value(i), cookie)) return true;
  return false;
}

/** In the value of a Cookie field. */
export function isCookieIn(field: string, { name, value }: NamedValue): boolean {
  const found = cookieIn(field, name);
  return found !== null && (value === null || found === value);
}
