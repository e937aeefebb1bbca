// Reads of accepted sockets, plain and in TLS, into one buffer that all share. Node has that for sockets it connects (`onread`), for
// accepted ones only inside: without it each read costs a buffer of 64 KiB, a stream's queue and a tick, a tenth of a small request. Where
// Node keeps its keys elsewhere, sockets read as usual.

import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { sharedBuffer } from './read-buffers.ts';

/** What came, in `buffer` up to `count`; lent until the call returns. */
export type OnRead = (count: number, buffer: Buffer) => void;

interface Keys {
  readonly buffer: symbol;
  readonly callback: symbol;
}

interface Opened {
  readonly _handle?: { readonly useUserBuffer?: (buffer: Uint8Array) => void } | null;
  [key: symbol]: unknown;
}

const keys = findKeys();

/** Looks at a socket that Node itself set up so. */
function findKeys(): Keys | null {
  const probe = new Socket({ onread: { buffer: sharedBuffer, callback: () => true } });
  const found = new Map(Object.getOwnPropertySymbols(probe).map((key) => [key.description, key]));
  const buffer = found.get('kBuffer');
  const callback = found.get('kBufferCb');
  const isAsKnown =
    buffer !== undefined &&
    callback !== undefined &&
    found.has('kBufferGen') &&
    (probe as unknown as Opened)[buffer] === sharedBuffer;
  return isAsKnown ? { buffer, callback } : null;
}

/** From now on reads go to `onRead` instead of `data`. False: this socket cannot. To be called before the loop turns after the accept. */
export function readShared(socket: Socket, onRead: OnRead): boolean {
  const opened = socket as unknown as Opened;
  // What was read before stands in the stream.
  if (socket.bytesRead > 0) return false;
  const isNodes = socket.constructor === Socket || socket.constructor === TLSSocket;
  if (keys === null || !isNodes || opened[keys.buffer] !== null) return false;
  const handle = opened._handle;
  if (typeof handle?.useUserBuffer !== 'function') return false;
  handle.useUserBuffer(sharedBuffer);
  opened[keys.buffer] = sharedBuffer;
  opened[keys.callback] = (count: number, buffer: Buffer): boolean => {
    onRead(count, buffer);
    return true;
  };
  return true;
}

/** Reads become `data` again. */
export function readStreaming(socket: Socket): void {
  if (keys === null) return;
  const opened = socket as unknown as Opened;
  if (opened[keys.buffer] !== sharedBuffer) return;
  opened[keys.callback] = (count: number, buffer: Buffer): boolean =>
    socket.push(Buffer.copyBytesFrom(buffer, 0, count));
}
