// A scene for the proxies: a resolver of a few names, a cluster of a few addresses, servers on loopback, and clients of few words.

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import type { Resolution, ResolutionFailure, Resolver } from '../../../src/ports/index.ts';
import {
  bindTcp,
  createMetrics,
  seededRandom,
  silentLogger,
  systemClock,
  type LogFields,
  type Logger,
  type Metrics,
  type TcpListener,
} from '../../../src/runtime/index.ts';
import type { ClusterKnowledge, RuleConfig } from '../../../proxies/access/index.ts';

export interface FakeResolver extends Resolver {
  /** Names that were sent upstream, in order. */
  readonly sent: readonly string[];
}

/** Names end in `.own` where the zone is ours; the others are answered by `resolve` alone. A name without an entry does not exist. */
export function fakeResolver(names: Readonly<Record<string, readonly string[] | ResolutionFailure>>): FakeResolver {
  const sent: string[] = [];
  const answer = (name: string): Resolution | ResolutionFailure => {
    const entry = names[name];
    if (entry === undefined) return { failure: 'nonexistent', reason: `${name} does not exist` };
    return 'failure' in entry ? entry : { addresses: entry, own: name.endsWith('.own') };
  };
  return {
    sent,
    lookup: (name) => (name.endsWith('.own') ? answer(name) : undefined),
    resolve(name) {
      if (!name.endsWith('.own')) sent.push(name);
      return Promise.resolve(answer(name));
    },
  };
}

export interface Cluster {
  /** `ip:port`, or `ip` for all ports. */
  readonly owned?: readonly string[];
  readonly apps?: Readonly<Record<string, readonly string[]>>;
}

export const fakeCluster = ({ owned = [], apps = {} }: Cluster): ClusterKnowledge => ({
  isCluster: (ip, port) => owned.includes(ip) || owned.includes(`${ip}:${port}`),
  appsOf: (ip) => apps[ip] ?? [],
});

/** All of loopback, as a demo cluster would have it. */
export const loopbackCluster: ClusterKnowledge = {
  isCluster: (ip) => ip.startsWith('127.') || ip === '::1',
  appsOf: () => [],
};

export const allowCluster: readonly RuleConfig[] = [{ allow: { to: ['cluster'] } }];

export interface Line extends LogFields {
  readonly message: string;
}

export interface Keeper {
  readonly log: Logger;
  readonly lines: readonly Line[];
}

/** A logger whose lines can be looked at. */
export function keepLines(): Keeper {
  const lines: Line[] = [];
  const keep = (fields: LogFields, message: string): void => void lines.push({ ...fields, message });
  const log: Logger = { debug: keep, info: keep, warn: keep, error: keep, always: keep, child: () => log };
  return { log, lines };
}

export interface Basics {
  readonly listeners: readonly TcpListener[];
  readonly resolver: FakeResolver;
  readonly ownListeners: () => readonly string[];
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: typeof systemClock;
  readonly random: () => number;
}

/** Options that every function takes, with a listener on a free port of loopback. */
export const basics = (names: Parameters<typeof fakeResolver>[0] = {}): Basics => ({
  listeners: [bindTcp('127.0.0.1', 0)],
  resolver: fakeResolver(names),
  ownListeners: () => [],
  log: silentLogger,
  metrics: createMetrics(),
  clock: systemClock,
  random: seededRandom(1),
});

/** The sum of a counter's values with these labels. */
export function counted(metrics: Metrics, name: string, labels: Readonly<Record<string, string>>): number {
  const values = metrics.read().find((metric) => metric.name === `isthmus_${name}`)?.values ?? [];
  const fits = values.filter((value) =>
    Object.entries(labels).every(([label, wanted]) => value.labels[label] === wanted),
  );
  return fits.reduce((sum, { value }) => sum + value, 0);
}

export interface Target {
  readonly port: number;
  readonly server: Server;
  close(): Promise<void>;
}

/** A server on loopback; sockets are half-open. */
export async function serve(onConnection: (socket: Socket) => void, host = '127.0.0.1'): Promise<Target> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    server,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Sends back what it gets. */
export const serveEcho = (): Promise<Target> => serve((socket) => socket.pipe(socket));

/** Reads all, and answers 300 ms after the client's FIN. */
export const serveLate = (): Promise<Target> =>
  serve((socket) => {
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('end', () => setTimeout(() => socket.end(`late ${text}`), 300));
  });

/** A port of loopback that nobody listens on. */
export async function closedPort(): Promise<number> {
  const target = await serve(() => undefined);
  await target.close();
  return target.port;
}

export interface Talk {
  readonly socket: Socket;
  write(bytes: string | Uint8Array): void;
  end(bytes?: string | Uint8Array): void;
  /** The next `length` octets; rejects where the connection ends before. */
  read(length: number): Promise<Buffer>;
  /** All until the other side's FIN; rejects on a reset. */
  rest(): Promise<Buffer>;
}

/** A client connection that reads what it is asked to. */
export async function talk(port: number, host = '127.0.0.1'): Promise<Talk> {
  const socket = connect({ port, host, allowHalfOpen: true });
  await once(socket, 'connect');
  let bytes = Buffer.alloc(0);
  let ended = false;
  let failure: Error | null = null;
  let wake = (): void => undefined;
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    wake();
  });
  socket.on('end', () => {
    ended = true;
    wake();
  });
  socket.on('error', (error) => {
    failure = error;
    wake();
  });
  socket.on('close', () => {
    ended = true;
    wake();
  });
  const until = async (isEnough: () => boolean): Promise<void> => {
    while (!isEnough()) {
      if (failure !== null) throw failure;
      if (ended) throw new Error(`the connection ended after ${bytes.length} octets: ${bytes.toString('latin1')}`);
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const take = (length: number): Buffer => {
    const taken = bytes.subarray(0, length);
    bytes = bytes.subarray(length);
    return taken;
  };
  return {
    socket,
    write: (more) => void socket.write(more, 'latin1'),
    end: (more) => void (more === undefined ? socket.end() : socket.end(more, 'latin1')),
    async read(length) {
      await until(() => bytes.length >= length);
      return take(length);
    },
    async rest() {
      await until(() => ended || failure !== null);
      if (failure !== null) throw failure;
      return take(bytes.length);
    },
  };
}
