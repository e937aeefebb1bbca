// Writes a request for a backend as a header block: from the head that HTTP/1 would get, whose parts are validated.

import { grpcTimeoutMs, isGrpcType } from './grpc.ts';
import type { HpackEncoder } from './hpack-encoder.ts';

/** What the head says that its stream must know. */
export interface RequestNotes {
  readonly isGrpc: boolean;
  /** Of gRPC, in milliseconds; 0: none. */
  readonly deadlineMs: number;
  /** `Sec-WebSocket-Key`, '' without one. */
  readonly key: string;
}

/** Fields of a connection of HTTP/1, by the lengths of their names. TE stays where it asks for trailers (RFC 9113 §8.2.2). */
const ofConnection: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'host',
]);
const looked: ReadonlySet<string> = new Set([
  ...ofConnection,
  'te',
  'content-type',
  'grpc-timeout',
  'sec-websocket-key',
]);
const lookedLengths: ReadonlySet<number> = new Set([...looked].map(({ length }) => length));

const protocol = ' HTTP/1.1\r\n';
const hostName = 'Host: ';

/** `head`: request line, `Host` and the other lines, and the empty one. `upgrade`: a stream for that protocol (RFC 8441). */
export function encodeRequest(encoder: HpackEncoder, head: string, isSecure: boolean, upgrade: string): RequestNotes {
  const methodEnd = head.indexOf(' ');
  const lineEnd = head.indexOf('\r\n');
  let at = lineEnd + 2;
  let authority = '';
  if (head.startsWith(hostName, at)) {
    const end = head.indexOf('\r\n', at);
    authority = head.slice(at + hostName.length, end);
    at = end + 2;
  }
  encoder.begin();
  encoder.field(':method', upgrade === '' ? head.slice(0, methodEnd) : 'CONNECT');
  if (upgrade !== '') encoder.field(':protocol', upgrade);
  encoder.field(':scheme', isSecure ? 'https' : 'http');
  if (authority !== '') encoder.field(':authority', authority);
  encoder.field(':path', head.slice(methodEnd + 1, lineEnd + 2 - protocol.length));
  return encodeLines(encoder, head, at, upgrade);
}

function encodeLines(encoder: HpackEncoder, text: string, from: number, upgrade: string): RequestNotes {
  let isGrpc = false;
  let deadlineMs = 0;
  let key = '';
  for (let at = from; at < text.length - 2;) {
    const colon = text.indexOf(':', at);
    const end = text.indexOf('\r\n', at);
    const start = afterBlanks(text, colon + 1, end);
    const stop = beforeBlanks(text, start, end);
    const name = lookedLengths.has(colon - at) ? text.slice(at, colon).toLowerCase() : '';
    if (looked.has(name)) {
      const value = text.slice(start, stop);
      if (name === 'content-type') isGrpc = isGrpcType(value);
      else if (name === 'grpc-timeout') deadlineMs = grpcTimeoutMs(value);
      else if (name === 'sec-websocket-key') key = value;
      // RFC 8441 §5: the key has no meaning over a stream.
      const goes =
        !ofConnection.has(name) &&
        (name !== 'te' || value.toLowerCase() === 'trailers') &&
        (name !== 'sec-websocket-key' || upgrade === '');
      if (goes) encoder.field(name, value);
    } else encoder.line(text, at, colon, start, stop);
    at = end + 2;
  }
  return { isGrpc, deadlineMs: isGrpc ? deadlineMs : 0, key };
}

/** RFC 9113 §8.2.1: values neither begin nor end with a blank, as they may in HTTP/1. */
function afterBlanks(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && isBlank(text.charCodeAt(at))) at++;
  return at;
}

function beforeBlanks(text: string, from: number, to: number): number {
  let at = to;
  while (at > from && isBlank(text.charCodeAt(at - 1))) at--;
  return at;
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;
