// Which fields end at this hop (RFC 9110 §7.6.1; specs/l7.md §3.3), as tables for `FieldList.kept`: 1 goes, 2 stays even if Connection
// names it, 0 stays unless named.

import { fieldId, fieldIdCount } from './field-names.ts';

const always: readonly number[] = [
  fieldId.connection,
  fieldId.keepAlive,
  fieldId.proxyConnection,
  fieldId.proxyAuthenticate,
  fieldId.proxyAuthorization,
  fieldId.te,
  fieldId.trailer,
  fieldId.transferEncoding,
  fieldId.upgrade,
  fieldId.http2Settings,
  fieldId.proxy,
];

/** Taking these away on command would be an attack: they carry framing, identity and our own statements. */
const neverNamed: readonly number[] = [
  fieldId.host,
  fieldId.contentLength,
  fieldId.transferEncoding,
  fieldId.xForwardedFor,
  fieldId.xForwardedProto,
  fieldId.xForwardedPort,
  fieldId.xForwardedHost,
  fieldId.forwarded,
  fieldId.xRealIp,
  fieldId.claim,
  fieldId.authorization,
  fieldId.cookie,
  fieldId.xRequestId,
  fieldId.traceparent,
  fieldId.tracestate,
];

/** A table for `FieldList.kept` that drops the hop-by-hop fields and `more`. */
export function dropTable(more: readonly number[]): Uint8Array {
  const table = new Uint8Array(fieldIdCount);
  for (const id of neverNamed) table[id] = 2;
  for (const id of [...always, ...more]) table[id] = 1;
  return table;
}

/**
 * For requests that are rebuilt: Host, the framing and Expect are written anew, and names with `_` go.
 */
export const rebuiltRequestFields: readonly number[] = [
  fieldId.host,
  fieldId.contentLength,
  fieldId.expect,
  fieldId.underscored,
];

/** Framing, routing and authority may not change behind the body (RFC 9110 §6.5.1). */
export const trailerDrops: Uint8Array = dropTable([
  fieldId.host,
  fieldId.contentLength,
  fieldId.expect,
  fieldId.underscored,
  fieldId.xForwardedFor,
  fieldId.xForwardedProto,
  fieldId.xForwardedPort,
  fieldId.xForwardedHost,
  fieldId.forwarded,
  fieldId.xRealIp,
  fieldId.claim,
  fieldId.authorization,
  fieldId.cookie,
  fieldId.xRequestId,
  fieldId.xMarathonAppId,
  fieldId.maxForwards,
]);
