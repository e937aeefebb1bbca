// Backends that speak HTTP/2: node:http2's, and the scene of a router that calls them so.

import { once } from 'node:events';
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
  type ServerOptions,
  type SecureServerOptions,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { ServiceEntry } from '../../../proxies/router/index.ts';
import { openScene, type Scene } from '../router/scene.ts';

export type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export interface Http2Backend {
  readonly port: number;
  /** Those that are open, in the order in which they came. */
  readonly sessions: readonly Http2Session[];
  /** Heads of requests as they came. */
  readonly heads: IncomingHttpHeaders[];
  readonly connections: number;
}

export async function openHttp2Backend(
  t: Test,
  onStream: OnStream,
  options: ServerOptions | SecureServerOptions = {},
): Promise<Http2Backend> {
  const sessions: Http2Session[] = [];
  const heads: IncomingHttpHeaders[] = [];
  let connections = 0;
  const server: Http2Server = 'key' in options ? createSecureServer(options) : createServer(options);
  server.on('session', (session) => {
    connections++;
    sessions.push(session);
    session.on('error', () => undefined).on('close', () => sessions.splice(sessions.indexOf(session), 1));
  });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined);
    heads.push(headers);
    onStream(stream, headers);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const session of [...sessions]) session.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    sessions,
    heads,
    get connections() {
      return connections;
    },
  };
}

/** A router for `a.example` whose backends speak HTTP/2, and whose clients may. */
export async function openHttp2Scene(
  t: Test,
  ports: readonly number[],
  service: Partial<ServiceEntry> = {},
): Promise<Scene> {
  const scene = await openScene(t, ports, { h2c: true });
  scene.call({ protocol: 'h2c', ...service });
  return scene;
}

/** Answers with what it was asked, body included. */
export const echoing: OnStream = (stream, headers) => {
  stream.respond({ ':status': 200, 'x-path': headers[':path'] });
  stream.pipe(stream);
};
