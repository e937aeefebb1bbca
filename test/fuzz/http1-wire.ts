// The two ends of HTTP/1.1's fuzzing, on plain sockets: a client that only counts on an end, a backend that answers with tokens.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Random } from '../../src/runtime/index.ts';
import { Finding } from './fuzz-run.ts';
import { below, mutated } from './mutation.ts';

const patienceMs = 8000;
/** After the last octet from the other side; all timeouts of the daemon under test are shorter. */
const quietMs = 1500;

export const tokensIn = (text: string): readonly string[] =>
  [...text.matchAll(/t[0-9a-f]{12}/g)].map(([token]) => token);

/** Sends octets in pieces and returns everything that came until the other side ended. A connection that stays open is a finding. */
export async function exchange(port: number, bytes: Buffer, random: Random): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  socket.on('error', () => socket.destroy());
  const closed = new Promise<boolean>((resolve) => {
    socket.once('close', () => resolve(true));
    const late = setTimeout(() => resolve(false), patienceMs);
    socket.once('close', () => clearTimeout(late));
  });
  const cut = random() < 0.3 ? below(random, bytes.length + 1) : bytes.length;
  socket.write(bytes.subarray(0, cut));
  if (cut < bytes.length) setImmediate(() => socket.destroyed || socket.write(bytes.subarray(cut)));
  const isTunnel = (): boolean => /^HTTP\/1\.1 101 /m.test(received);
  const wasClosed = await Promise.race([closed, quiet(socket, isTunnel)]);
  socket.destroy();
  if (!wasClosed) throw new Finding('a connection that stays open', bytes);
  return received;
}

/** A tunnel has no end of its own: it is left when nothing comes any more. */
function quiet(socket: Socket, isTunnel: () => boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (isTunnel()) resolve(true);
    }, quietMs);
    socket.once('close', () => clearInterval(timer));
  });
}

export interface TokenBackend {
  readonly port: number;
  /** Requests seen. */
  readonly requests: number;
  mutates: boolean;
  close(): Promise<void>;
}

/** Answers each request head with the token of its path, in the order they come; with `mutates` the answers are mutated. */
export async function startTokenBackend(random: Random): Promise<TokenBackend> {
  const sockets = new Set<Socket>();
  const state = { requests: 0, mutates: false };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let held = '';
    socket.on('data', (chunk: Buffer) => {
      held += chunk.toString('latin1');
      for (let end = held.indexOf('\r\n\r\n'); end >= 0; end = held.indexOf('\r\n\r\n')) {
        const head = held.slice(0, end);
        held = held.slice(end + 4);
        if (!/^[A-Z]+ \S+ HTTP\/1\.[01]/m.test(head)) continue;
        state.requests++;
        answer(socket, head, state.mutates && !head.includes('/probe'), random);
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

function answer(socket: Socket, head: string, mutates: boolean, random: Random): void {
  const token = tokensIn(head)[0] ?? 'none';
  const isHead = /(^|\n)HEAD /.test(head);
  const body = isHead ? '' : token;
  const plain = `HTTP/1.1 200 OK\r\nX-Token: ${token}\r\nContent-Length: ${token.length}\r\n\r\n${body}`;
  if (!mutates) return void socket.write(plain, 'latin1');
  const seeds = [
    plain,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${token.length.toString(16)}\r\n${token}\r\n0\r\n\r\n`,
    `HTTP/1.1 100 Continue\r\n\r\n${plain}`,
    `HTTP/1.1 204 No Content\r\nX-Token: ${token}\r\n\r\n`,
    `HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n`,
    `HTTP/1.0 200 OK\r\n\r\n${token}`,
    `${plain}${plain}`,
  ].map((text) => Buffer.from(text, 'latin1'));
  const bytes = mutated(seeds, random, 20_000);
  socket.write(bytes);
  if (random() < 0.3) socket.end();
}
