// What backends are told of the client: X-Forwarded-*, X-Real-IP, X-Request-Id (specs/l7.md §3.5). Only trusted peers are believed.

import type { CidrMatcher } from '../../src/runtime/index.ts';
import {
  dropTable,
  fieldId,
  rebuiltRequestFields,
  type FieldList,
  type Peer,
  type RequestView,
} from '../http1/index.ts';
import { isRequestId } from './request-id.ts';

const statements = [
  fieldId.xForwardedFor,
  fieldId.xForwardedProto,
  fieldId.xForwardedPort,
  fieldId.xForwardedHost,
  fieldId.forwarded,
  fieldId.xRealIp,
  fieldId.xRequestId,
];

/** All that says something of client or original request is written anew for a peer that is not believed. */
export const dropsUntrusted: Uint8Array = dropTable([
  ...rebuiltRequestFields,
  ...statements,
  fieldId.claim,
  fieldId.xMarathonAppId,
]);
/** A trusted peer's further statements stay; the common ones are taken over below. */
export const dropsTrusted: Uint8Array = dropTable([...rebuiltRequestFields, ...statements]);

/** Marathon-LB as measured: what anybody says of client and scheme goes on. */
export const dropsAppended: Uint8Array = dropTable([
  ...rebuiltRequestFields,
  ...statements.filter((id) => id !== fieldId.xForwardedFor && id !== fieldId.xForwardedProto),
  fieldId.claim,
  fieldId.xMarathonAppId,
]);

/** A line of our own behind each of theirs; the scheme is told over TLS alone. */
export function appendedLines(request: RequestView, peer: Peer): string {
  const proto = peer.secure ? 'X-Forwarded-Proto: https\r\n' : '';
  const host = request.authority === '' ? '' : `X-Forwarded-Host: ${request.authority}\r\n`;
  return `X-Forwarded-For: ${peer.address}\r\nX-Forwarded-Port: ${peer.localPort}\r\n${proto}X-Real-IP: ${peer.address}\r\n${certificateLine(peer)}${host}`;
}

/** Lines for the backend, each with its CRLF, without the request id. */
export function forwardingLines(request: RequestView, peer: Peer, trusted: CidrMatcher): string {
  const scheme = peer.secure ? 'https' : 'http';
  if (!peer.trusted) {
    // The same for all requests of the connection but for the host.
    if (peer.statement === '')
      peer.statement = `X-Forwarded-For: ${peer.address}\r\nX-Forwarded-Proto: ${scheme}\r\nX-Forwarded-Port: ${peer.localPort}\r\nX-Real-IP: ${peer.address}\r\n${certificateLine(peer)}`;
    return request.authority === '' ? peer.statement : `${peer.statement}X-Forwarded-Host: ${request.authority}\r\n`;
  }
  const { fields } = request;
  const chain = forwardedFor(fields);
  const proto = only(fields, fieldId.xForwardedProto, /^https?$/) ?? scheme;
  const port = only(fields, fieldId.xForwardedPort, /^\d{1,5}$/) ?? String(peer.localPort);
  const host = only(fields, fieldId.xForwardedHost, /^[A-Za-z0-9.:_[\]-]{1,261}$/) ?? request.authority;
  const real = clientOf(chain, peer.address, trusted);
  const all = [...chain, peer.address].join(', ');
  const hostLine = host === '' ? '' : `X-Forwarded-Host: ${host}\r\n`;
  return `X-Forwarded-For: ${all}\r\nX-Forwarded-Proto: ${proto}\r\nX-Forwarded-Port: ${port}\r\n${hostLine}X-Real-IP: ${real}\r\n`;
}

/** The client's certificate as RFC 9440 has it: base64 DER between colons. */
function certificateLine({ tls }: Peer): string {
  const certificate = tls?.clientCertificate ?? null;
  return certificate === null ? '' : `Client-Cert: :${certificate.toString('base64')}:\r\n`;
}

/** The client behind trusted peers: the first address from the right that is not one of theirs. */
export function clientAddress(request: RequestView, peer: Peer, trusted: CidrMatcher): string {
  return peer.trusted ? clientOf(forwardedFor(request.fields), peer.address, trusted) : peer.address;
}

/** `http` or `https` where a trusted peer says so; null otherwise. */
export function trustedProto({ fields }: RequestView, peer: Peer): string | null {
  return peer.trusted ? only(fields, fieldId.xForwardedProto, /^https?$/) : null;
}

/** A trusted peer's id where it is one; null otherwise. */
export function givenRequestId(request: RequestView, peer: Peer): string | null {
  const given = peer.trusted ? request.fields.valueOf(fieldId.xRequestId) : null;
  return given !== null && isRequestId(given) ? given : null;
}

function forwardedFor(fields: FieldList): readonly string[] {
  const chain: string[] = [];
  for (let i = fields.indexOf(fieldId.xForwardedFor); i >= 0; i = fields.indexOf(fieldId.xForwardedFor, i + 1)) {
    for (const item of fields.value(i).split(',')) if (item.trim() !== '') chain.push(item.trim());
  }
  return chain;
}

function clientOf(chain: readonly string[], peer: string, trusted: CidrMatcher): string {
  let client = peer;
  for (let i = chain.length - 1; i >= 0 && trusted.has(client); i--) {
    const address = plain(chain[i] as string);
    if (address === null) break;
    client = address;
  }
  return client;
}

/** `10.0.0.1:1234` and `[v6]:1234` are written by some; null for what is no address (`unknown`, a hidden name). */
function plain(item: string): string | null {
  const address = item.replace(/^\[([^\]]+)\](?::\d+)?$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
  return /^[0-9a-fA-F:.]+$/.test(address) ? address : null;
}

/** The value of a field that was sent once and looks as it should. */
function only(fields: FieldList, id: number, form: RegExp): string | null {
  const i = fields.indexOf(id);
  if (i < 0 || fields.indexOf(id, i + 1) >= 0) return null;
  const value = fields.value(i);
  return form.test(value) ? value : null;
}
