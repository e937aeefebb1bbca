// Sends whole answers as the fakes' originals do: JSON in pieces with back-pressure, compressed when asked and worth it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, gzipSync } from 'node:zlib';
import type { MangledAnswer } from './master-faults.ts';

const GZIP_FROM_BYTES = 1024;
const BUFFERED_BYTES = 4 * 1024 * 1024;
const PIECE_BYTES = 64 * 1024;

function acceptsGzip(request: IncomingMessage): boolean {
  return String(request.headers['accept-encoding'] ?? '')
    .split(',')
    .some((coding) => /^\s*(gzip|\*)\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/.test(coding));
}

export function sendText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
): void {
  const plain = Buffer.from(text);
  const zipped = plain.length >= GZIP_FROM_BYTES && acceptsGzip(request);
  const body = zipped ? gzipSync(plain, { level: 1 }) : plain;
  response.writeHead(status, {
    ...(type === '' ? {} : { 'content-type': type }),
    ...(zipped ? { 'content-encoding': 'gzip' } : {}),
    'content-length': body.length,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

// Gathers pieces of text into buffers worth a write, and lets other work in between.
export async function* gather(parts: Iterable<string>, pieceBytes = PIECE_BYTES): AsyncGenerator<Buffer> {
  let text: string[] = [];
  let size = 0;
  for (const part of parts) {
    text.push(part);
    size += part.length;
    if (size < pieceBytes) continue;
    yield Buffer.from(text.join(''));
    text = [];
    size = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (size > 0) yield Buffer.from(text.join(''));
}

// Sends pieces of text; up to a few megabytes with a length, beyond that as a stream.
export async function sendParts(
  request: IncomingMessage,
  response: ServerResponse,
  type: string,
  parts: Iterable<string>,
): Promise<void> {
  const pieces = gather(parts);
  const start: Buffer[] = [];
  let size = 0;
  for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
    start.push(next.value);
    size += next.value.length;
    if (size > BUFFERED_BYTES) {
      await streamRest(request, response, type, start, pieces);
      return;
    }
  }
  sendText(request, response, 200, type, Buffer.concat(start).toString());
}

async function streamRest(
  request: IncomingMessage,
  response: ServerResponse,
  type: string,
  start: readonly Buffer[],
  rest: AsyncGenerator<Buffer>,
): Promise<void> {
  const zipped = acceptsGzip(request);
  response.writeHead(200, { 'content-type': type, ...(zipped ? { 'content-encoding': 'gzip' } : {}) });
  const all = Readable.from(
    (async function* () {
      yield* start;
      yield* rest;
    })(),
  );
  // The client may leave in the middle.
  const sent = zipped ? pipeline(all, createGzip({ level: 1 }), response) : pipeline(all, response);
  await sent.catch(() => undefined);
}

// An answer as bad gateways pass it on.
export function sendMangled(response: ServerResponse, how: MangledAnswer, parts: Iterable<string>): void {
  const whole = Buffer.from([...parts].join(''));
  const type = { 'content-type': 'application/json' };
  switch (how) {
    case 'gzip':
      response.writeHead(200, { ...type, 'content-encoding': 'gzip' }).end(gzipSync(whole));
      break;
    case 'bom':
      response.writeHead(200, type).end(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), whole]));
      break;
    case 'cut':
      response.writeHead(200, type).end(whole.subarray(0, whole.length / 2));
      break;
    case 'not-json':
      response.writeHead(200, type).end('{"get_state": oops');
      break;
  }
}
