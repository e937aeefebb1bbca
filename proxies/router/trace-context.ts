// W3C trace context (Trace Context Level 1 §3.2): what is well-formed goes on untouched, what is not goes together with its tracestate.

import { fieldId, type FieldList } from '../http1/index.ts';

const version00 = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;

/** The trace id of a valid traceparent; '' where there is none at all; null: it must not be forwarded. */
export function traceIdOf(fields: FieldList): string | null {
  const at = fields.indexOf(fieldId.traceparent);
  if (at < 0) return fields.indexOf(fieldId.tracestate) < 0 ? '' : null;
  if (fields.indexOf(fieldId.traceparent, at + 1) >= 0) return null;
  const match = version00.exec(fields.value(at));
  if (match === null) return null;
  const [, version = '', trace = '', parent = '', more] = match;
  // Longer values are for versions to come; `ff` is none.
  if (version === 'ff' || (version === '00' && more !== undefined)) return null;
  return /^0+$/.test(trace) || /^0+$/.test(parent) ? null : trace;
}
