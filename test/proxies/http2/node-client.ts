// A second client: node:http2.

import { once } from 'node:events';
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import type { Test } from 'tap';
import type { Scene } from '../router/scene.ts';

/** A session of node:http2 whose settings have come. */
export async function openClient(t: Test, { port }: Scene): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  t.teardown(() => session.destroy());
  await once(session, 'remoteSettings');
  return session;
}

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly informational: readonly IncomingHttpHeaders[];
  readonly body: Buffer;
}

/** Resolves with the whole answer. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  const parts: Buffer[] = [];
  const informational: IncomingHttpHeaders[] = [];
  let head: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream.on('response', (fields) => (head = fields)).on('trailers', (fields) => (trailers = fields));
  stream.on('headers', (fields) => informational.push(fields)).on('data', (part: Buffer) => parts.push(part));
  await once(stream, 'end');
  return { headers: head, trailers, informational, body: Buffer.concat(parts) };
}
