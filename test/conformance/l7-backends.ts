// Back ends and clients of the router's cases: servers that say what they saw, and requests written byte for byte.

import { createServer, type Server } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { makeLocal } from './dns-namespace.ts';

/** What a back end saw of a request, as it tells in its answer. */
export interface Seen {
  readonly backend: string;
  readonly path: string;
  readonly method: string;
  /** Values by lower-case name, one for each line. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: string;
}

export class Backends {
  readonly #servers = new Map<string, Server>();
  /** Sent as Location with 302 by whoever is asked next; null: 200. */
  location: string | null = null;

  /** Starts a server at each of these addresses, once. */
  async open(addresses: Iterable<string>): Promise<void> {
    for (const address of addresses) {
      if (this.#servers.has(address)) continue;
      const at = address.lastIndexOf(':');
      const host = address.slice(0, at);
      makeLocal([host]);
      const server = createServer((request, response) => {
        const parts: Buffer[] = [];
        request.on('data', (part: Buffer) => parts.push(part));
        request.on('end', () => {
          const headers: Record<string, string[]> = {};
          for (let i = 0; i < request.rawHeaders.length; i += 2)
            (headers[(request.rawHeaders[i] ?? '').toLowerCase()] ??= []).push(request.rawHeaders[i + 1] ?? '');
          const seen: Seen = {
            backend: address,
            path: request.url ?? '',
            method: request.method ?? '',
            headers,
            body: Buffer.concat(parts).toString('latin1'),
          };
          const location = this.location === null ? {} : { location: this.location };
          const answer = JSON.stringify(seen);
          response.writeHead(this.location === null ? 200 : 302, {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(answer),
            ...location,
          });
          response.end(answer);
        });
      });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(Number(address.slice(at + 1)), host, resolve);
      });
      this.#servers.set(address, server);
    }
  }

  async close(): Promise<void> {
    for (const server of this.#servers.values()) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    this.#servers.clear();
  }
}

export interface Asked {
  readonly port: number;
  readonly tls: { readonly sni: string | null } | null;
  readonly clientIp: string | null;
  /** The whole request, latin-1. */
  readonly raw: string;
}

export interface Answered {
  readonly kind: 'answer' | 'refused' | 'closed';
  readonly status: number;
  /** Values by lower-case name. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: string;
  /** The JSON that a back end gave. */
  readonly seen: Seen | null;
  /** Everything that came, and whether the router ended the connection. */
  readonly text: string;
  readonly ended: boolean;
}

const patienceMs = 4000;

export function ask(asked: Asked, host = '127.0.0.1'): Promise<Answered> {
  if (asked.clientIp !== null) makeLocal([asked.clientIp]);
  const local = asked.clientIp === null ? {} : { localAddress: asked.clientIp };
  const tcp = { host, port: asked.port, ...local };
  return new Promise((resolve) => {
    const socket: Socket =
      asked.tls === null
        ? connectTcp(tcp)
        : connectTls({ ...tcp, rejectUnauthorized: false, servername: asked.tls.sni ?? '' });
    let text = '';
    let isConnected = false;
    const end = (ended: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answerOf(text, isConnected, ended));
    };
    const timer = setTimeout(() => end(false), patienceMs);
    socket.setEncoding('latin1');
    socket.once(asked.tls === null ? 'connect' : 'secureConnect', () => {
      isConnected = true;
      socket.write(asked.raw, 'latin1');
    });
    socket.once('connect', () => (isConnected = true));
    socket.on('data', (part: string) => {
      text += part;
      if (isComplete(text) && !/^connection: close/im.test(asked.raw)) setTimeout(() => end(socket.readableEnded), 50);
    });
    socket.on('error', () => end(true));
    socket.on('end', () => end(true));
  });
}

function isComplete(text: string): boolean {
  const at = text.indexOf('\r\n\r\n');
  if (at >= 0 && /^transfer-encoding: chunked/im.test(text.slice(0, at))) return text.endsWith('\r\n0\r\n\r\n');
  const length = /^content-length: (\d+)/im.exec(text)?.[1];
  return at >= 0 && length !== undefined && text.length >= at + 4 + Number(length);
}

function answerOf(text: string, isConnected: boolean, ended: boolean): Answered {
  const at = text.indexOf('\r\n\r\n');
  const nothing = { status: 0, headers: {}, body: '', seen: null, text, ended } as const;
  if (at < 0) return { ...nothing, kind: isConnected ? 'closed' : 'refused' };
  const [first = '', ...lines] = text.slice(0, at).split('\r\n');
  const headers: Record<string, string[]> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    (headers[line.slice(0, colon).toLowerCase()] ??= []).push(line.slice(colon + 1).trim());
  }
  const rest = text.slice(at + 4);
  const body = headers['transfer-encoding']?.includes('chunked') === true ? dechunked(rest) : rest;
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1] ?? 0);
  return { kind: 'answer', status, headers, body, seen: seenOf(body), text, ended };
}

function dechunked(text: string): string {
  let body = '';
  for (let at = 0; ;) {
    const end = text.indexOf('\r\n', at);
    const size = end < 0 ? 0 : parseInt(text.slice(at, end), 16);
    if (!(size > 0)) return body;
    body += text.slice(end + 2, end + 2 + size);
    at = end + 4 + size;
  }
}

function seenOf(body: string): Seen | null {
  try {
    const value = JSON.parse(body) as Partial<Seen>;
    return typeof value.backend === 'string' ? (value as Seen) : null;
  } catch {
    return null;
  }
}
