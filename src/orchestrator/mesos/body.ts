// Body of a master's answer, decoded: masters zip only what they are asked to, gateways before them whatever they like.

import type { IncomingMessage } from 'node:http';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** Codings that are read; an answer in another one is not opened. */
const identity: ReadonlySet<string> = new Set(['', 'identity']);
const zipped: ReadonlySet<string> = new Set(['gzip', 'x-gzip']);

const codingOf = (response: IncomingMessage): string =>
  (response.headers['content-encoding'] ?? '').trim().toLowerCase();

export function isReadable(response: IncomingMessage): boolean {
  const coding = codingOf(response);
  return identity.has(coding) || zipped.has(coding);
}

/** The bytes without their coding. Destroying either end destroys the other; an error of one is an error of both. */
export function bodyOf(response: IncomingMessage): Readable {
  if (!zipped.has(codingOf(response))) return response;
  // Whoever reads hears of the error.
  return pipeline(response, createGunzip(), () => undefined);
}
