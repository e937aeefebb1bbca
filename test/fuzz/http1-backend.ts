// A backend for HTTP/1.1's fuzzing that believes nothing: every octet that reaches it must be a request as the router writes them, and
// what a client may not say must not be there.

import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { Random } from '../../src/runtime/index.ts';
import { tokensIn } from './http1-wire.ts';
import { mutated } from './mutation.ts';

export interface TokenBackend {
  readonly port: number;
  /** Requests seen. */
  readonly requests: number;
  /** What was wrong with the first request that was not as it should be. */
  readonly wrong: string | null;
  mutates: boolean;
  close(): Promise<void>;
}

/** Answers each request with the token of its path, in the order they come; with `mutates` the answers are mutated. */
export async function startTokenBackend(random: Random): Promise<TokenBackend> {
  const sockets = new Set<Socket>();
  const state: { requests: number; mutates: boolean; wrong: string | null } = {
    requests: 0,
    mutates: false,
    wrong: null,
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let held = '';
    socket.on('data', (chunk: Buffer) => {
      held += chunk.toString('latin1');
      for (;;) {
        const request = readRequest(held);
        if (request === null) return;
        if (typeof request === 'string') {
          state.wrong ??= `${request}: ${JSON.stringify(held.slice(0, 2000))}`;
          socket.destroy();
          return;
        }
        held = held.slice(request.length);
        state.requests++;
        answer(socket, request.head, state.mutates && !request.head.includes('/probe'), random);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get requests() {
      return state.requests;
    },
    get wrong() {
      return state.wrong;
    },
    get mutates() {
      return state.mutates;
    },
    set mutates(value) {
      state.mutates = value;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

interface WholeRequest {
  readonly head: string;
  /** Of head and body. */
  readonly length: number;
}

/** Names that end at the router, or that only it may write. */
const forbidden =
  /^(?:proxy-.*|proxy|keep-alive|trailer|http2-settings|forwarded|x-forwarded-(?:prefix|server|uri|method)|x-original-.*|x-envoy-.*|expect|.*_.*)$/;

/** Null: more is to come. A text: it is no request that may be here. */
function readRequest(text: string): WholeRequest | string | null {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return text.length > 100_000 ? 'no head' : null;
  const head = text.slice(0, end);
  const [line = '', ...lines] = head.split('\r\n');
  if (!/^[A-Z_-]+ (?:\/[!-~]*|\*) HTTP\/1\.1$/.test(line)) return 'a broken request line';
  const fields = new Map<string, string[]>();
  for (const one of lines) {
    const [, name = '', value = ''] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(one) ?? [];
    if (name === '') return `a broken line ${JSON.stringify(one)}`;
    const key = name.toLowerCase();
    if (forbidden.test(key)) return `a field ${name}`;
    fields.set(key, [...(fields.get(key) ?? []), value.trim()]);
  }
  const fault = faultOf(fields);
  if (fault !== null) return fault;
  const length = bodyLength(text, end + 4, fields);
  return typeof length === 'number' ? { head, length: end + 4 + length } : length;
}

function faultOf(fields: ReadonlyMap<string, readonly string[]>): string | null {
  const only = (name: string, pattern: RegExp): boolean => {
    const values = fields.get(name);
    return values?.length === 1 && pattern.test(values[0] ?? '');
  };
  const optional = (name: string, pattern: RegExp): boolean => !fields.has(name) || only(name, pattern);
  if (!only('host', /^[A-Za-z0-9.:~_[\]-]+$/)) return 'not one Host';
  if (!only('x-forwarded-for', /^127\.0\.0\.1$/) || !only('x-real-ip', /^127\.0\.0\.1$/)) return 'a forged address';
  if (!only('x-forwarded-proto', /^http$/) || !only('x-forwarded-port', /^\d+$/)) return 'a forged scheme or port';
  if (!only('x-request-id', /^[0-9a-f-]{36}$/)) return 'a forged id';
  if (!optional('transfer-encoding', /^chunked$/) || !optional('content-length', /^\d+$/)) return 'broken framing';
  if (fields.has('transfer-encoding') && fields.has('content-length')) return 'framing twice';
  if (!optional('connection', /^(?:TE|Upgrade)$/)) return 'a Connection of the client';
  if (!optional('te', /^trailers$/) || !optional('upgrade', /^websocket$/)) return 'a TE or Upgrade of the client';
  return null;
}

/** Octets of the body at `at`; null: more is to come. */
function bodyLength(text: string, at: number, fields: ReadonlyMap<string, readonly string[]>): number | string | null {
  if (!fields.has('transfer-encoding')) {
    const length = Number(fields.get('content-length')?.[0] ?? 0);
    return text.length - at < length ? null : length;
  }
  for (let p = at; ;) {
    const lineEnd = text.indexOf('\r\n', p);
    if (lineEnd < 0) return null;
    const size = /^[0-9a-f]+$/.test(text.slice(p, lineEnd)) ? parseInt(text.slice(p, lineEnd), 16) : -1;
    if (size < 0) return 'a broken chunk';
    if (size === 0) {
      const end = text.startsWith('\r\n', lineEnd + 2) ? lineEnd : text.indexOf('\r\n\r\n', lineEnd);
      return end < 0 ? null : end + 4 - at;
    }
    p = lineEnd + 2 + size + 2;
    if (p > text.length) return null;
    if (text.slice(p - 2, p) !== '\r\n') return 'a chunk without an end';
  }
}

function answer(socket: Socket, head: string, mutates: boolean, random: Random): void {
  const token = tokensIn(head)[0] ?? 'none';
  const body = head.startsWith('HEAD ') ? '' : token;
  const plain = `HTTP/1.1 200 OK\r\nX-Token: ${token}\r\nContent-Length: ${token.length}\r\n\r\n${body}`;
  if (!mutates) return void socket.write(plain, 'latin1');
  const seeds = [
    plain,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${token.length.toString(16)}\r\n${token}\r\n0\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n4;a=b\r\n${token.slice(0, 4)}\r\n0\r\nX-T: ${token}\r\n\r\n`,
    `HTTP/1.1 100 Continue\r\n\r\n${plain}`,
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${plain}`,
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${token}`,
    `HTTP/1.1 204 No Content\r\nX-Token: ${token}\r\n\r\n`,
    `HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n`,
    `HTTP/1.0 200 OK\r\n\r\n${token}`,
    `HTTP/1.1 200 OK\r\nContent-Length: ${token.length}\r\nContent-Length: 5\r\n\r\n${token}`,
    `HTTP/1.1 200 OK\r\nContent-Length: ${token.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${token}`,
    `${plain}${plain}`,
  ].map((text) => Buffer.from(text, 'latin1'));
  socket.write(mutated(seeds, random, 20_000));
  // A backend that leaves its answer open is ended, or each input would cost a time-out.
  if (random() < 0.5) socket.end();
  else setImmediate(() => socket.end());
}
