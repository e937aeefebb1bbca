// The words in which test/proxies/http2/spec-cases.ts is written: frames that clients send, and outcomes that a server may choose from.

import { errorCode, frameFlag, frameType, setting } from '../../../proxies/http2/frame-words.ts';
import { block, endHeaders, endStream, frame, headers, number, ping, settings, usualFields } from './frame-client.ts';

/** Octets are sent; an expression is waited for. */
type Step = Buffer | RegExp;
/** `accepted`: one event that must come. `greets` is false where the preface is part of the case. */
export interface SpecCase {
  readonly section: string;
  readonly what: string;
  readonly steps: readonly Step[];
  readonly accepted: RegExp;
  readonly greets: boolean;
}

type Code = 'PROTOCOL' | 'FRAME_SIZE' | 'STREAM_CLOSED' | 'FLOW_CONTROL' | 'COMPRESSION' | 'REFUSED_STREAM';
export const connectionError = (...codes: Code[]): RegExp => new RegExp(`^(closed|goaway (${codes.join('|')})\\b.*)$`);
export const streamError = (...codes: Code[]): RegExp =>
  new RegExp(`^(closed|goaway (${codes.join('|')})\\b.*|reset \\d+ (${codes.join('|')}))$`);
export const answered = /^status 1 200$/;
export const ended = /^end 1$/;
export const closed = /^closed$/;
export const pong = /^pong abcdefgh$/;
export const pongOrClosed = /^(pong abcdefgh|closed)$/;
export const acknowledged = /^settings ack$/;

export const get = usualFields();
export const post = usualFields('POST');
export const whole = (fields = get, stream = 1): Buffer => headers(stream, fields);
export const opening = (fields = get, stream = 1): Buffer => headers(stream, fields, endHeaders);
export const begun = (fields = get, flags = 0): Buffer => headers(1, fields, flags);
export const request = block(get);
export const withBlock = (...octets: readonly number[]): Buffer =>
  frame(frameType.headers, endHeaders | endStream, 1, Buffer.concat([request, Buffer.from(octets)]));
export const beforeBlock = (...octets: readonly number[]): Buffer =>
  frame(frameType.headers, endHeaders | endStream, 1, Buffer.concat([Buffer.from(octets), request]));
export const dummies = (count: number): [string, string][] =>
  Array.from({ length: count }, (_, i) => [`x-dummy${i}`, 'x'.repeat(4000)]);
const dummy = block(dummies(1));
export const continuation = (stream: number, flags: number, payload: Buffer = dummy): Buffer =>
  frame(frameType.continuation, flags, stream, payload);
export const priority = (stream: number, on: number, weight = 255, exclusive = false): Buffer =>
  frame(frameType.priority, 0, stream, dependency(on, weight, exclusive));
const dependency = (on: number, weight = 255, exclusive = false): Buffer =>
  Buffer.concat([number(exclusive ? (on | 0x8000_0000) >>> 0 : on), Buffer.from([weight])]);
export const reset = (stream: number, code: number = errorCode.cancel): Buffer =>
  frame(frameType.rstStream, 0, stream, number(code));
export const windowUpdate = (stream: number, more: number): Buffer =>
  frame(frameType.windowUpdate, 0, stream, number(more));
export const goaway = (stream: number, code: number): Buffer =>
  frame(frameType.goaway, 0, stream, Buffer.concat([number(0), number(code)]));
export const window = (...sizes: readonly number[]): Buffer =>
  settings(...sizes.map((size) => [setting.initialWindowSize, size] as const));
export const asked = ping('abcdefgh');
export const unknown = frame(0x16, 0, 0, Buffer.alloc(8));
export const paddedHeaders = frame(
  frameType.headers,
  endHeaders | endStream | frameFlag.padded,
  1,
  Buffer.concat([Buffer.from([8]), request, Buffer.alloc(8)]),
);
export const withPriority = (on: number): Buffer =>
  frame(frameType.headers, endHeaders | endStream | frameFlag.priority, 1, Buffer.concat([dependency(on), request]));

const agent = [...Buffer.from('user-agent')];
export const value = [...Buffer.from('h2spec')];
export const coded = {
  agent: [0x87, 0xb5, 0x05, 0xb1, 0x61, 0xcc, 0x5a, 0x93],
  test: [0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff],
  value: [0x84, 0x9c, 0x48, 0xac, 0xa4],
} as const;
const plainTest = [...Buffer.from('x-test')];

/** The four ways to write a field literally, by the first octet of the kind. */
export const literals = (name: string, first: number): SpecCase[] => [
  one('HPACK', `${name}, a name of the table`, [withBlock(first, 10, ...agent, 6, ...value)], answered),
  one(
    'HPACK',
    `${name}, a name of the table, in Huffman code`,
    [withBlock(first, ...coded.agent, ...coded.value)],
    answered,
  ),
  one('HPACK', `${name}, a new name`, [withBlock(first, 6, ...plainTest, 6, ...value)], answered),
  one('HPACK', `${name}, a new name, in Huffman code`, [withBlock(first, ...coded.test, ...coded.value)], answered),
];

export function one(section: string, what: string, steps: readonly Step[], accepted: RegExp, greets = true): SpecCase {
  return { section, what, steps, accepted, greets };
}
