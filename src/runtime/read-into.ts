// Reads of accepted sockets into buffers of our own. Node has that for sockets it connects (`onread`), for accepted ones only inside:
// without it each read costs a buffer of 64 KiB, a stream's queue and a tick. Where Node keeps its keys elsewhere, sockets read as usual.

import { Socket } from 'node:net';

export interface ReadInto {
  /** Where the next read goes. */
  readonly buffer: () => Buffer;
  /** So many bytes came; false: no more until `resume`. */
  readonly take: (bytes: number) => boolean;
}

interface Keys {
  readonly buffer: symbol;
  readonly next: symbol;
  readonly callback: symbol;
}

interface Opened {
  readonly _handle?: { readonly useUserBuffer?: (buffer: Uint8Array) => void } | null;
  [key: symbol]: unknown;
}

const keys = findKeys();

/** Looks at a socket that Node itself set up so. */
function findKeys(): Keys | null {
  const sample = Buffer.alloc(1);
  const next = (): Buffer => sample;
  const callback = (): boolean => true;
  const probe = new Socket({ onread: { buffer: next, callback } });
  const opened = probe as unknown as Opened;
  const found = new Map(Object.getOwnPropertySymbols(probe).map((key) => [key.description, key]));
  const [kBuffer, kNext, kCallback] = ['kBuffer', 'kBufferGen', 'kBufferCb'].map((name) => found.get(name));
  if (kBuffer === undefined || kNext === undefined || kCallback === undefined) return null;
  // A buffer that is asked for by a function is not there before the first read.
  const isTold = opened[kBuffer] === sample || opened[kBuffer] === true;
  const isAsKnown = isTold && opened[kNext] === next && opened[kCallback] === callback;
  return isAsKnown ? { buffer: kBuffer, next: kNext, callback: kCallback } : null;
}

/** From now on reads go to `into`, instead of `data` or of whoever had them. False: this socket cannot. It must hold no unread bytes. */
export function readInto(socket: Socket, into: ReadInto): boolean {
  const opened = socket as unknown as Opened;
  // TLS sockets are derived.
  if (keys === null || socket.constructor !== Socket) return false;
  const handle = opened._handle;
  if (typeof handle?.useUserBuffer !== 'function') return false;
  const first = into.buffer();
  handle.useUserBuffer(first);
  opened[keys.buffer] = first;
  opened[keys.next] = into.buffer;
  opened[keys.callback] = into.take;
  return true;
}
