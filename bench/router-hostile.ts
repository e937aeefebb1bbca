// Normal traffic beside those who want to take the router down, or do so without wanting: the latency of the one, the memory under the
// other. Each disturbance is built up, held while wrk runs, and taken down again, with an undisturbed round before it.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { type Load, runRound } from './router-load.ts';
import { startIsthmus, type Target } from './router-peers.ts';

export interface HostileResult {
  readonly name: string;
  readonly undisturbedP99: number;
  readonly p99: number;
  readonly undisturbedMegabytes: number;
  readonly megabytes: number;
}

/** Builds up and answers with what takes down. */
type Disturbance = (port: number, sizes: Sizes) => Promise<() => void>;

export interface Sizes {
  readonly idle: number;
  readonly slowHeads: number;
  readonly slowClients: number;
  readonly bodyBytes: number;
}

export const fullSize: Sizes = { idle: 10_000, slowHeads: 500, slowClients: 200, bodyBytes: 1024 ** 3 };

const slowHost = 'slow.example';
const deadHost = 'dead.example';
const giantHost = 'giant.example';
const deafHost = 'deaf.example';

const get = (host: string): string => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const post = (host: string, bytes: number): string =>
  `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${bytes}\r\n\r\n`;

const disturbances: Readonly<Record<string, Disturbance>> = {
  'slow clients': async (port, { slowClients }) => {
    const sockets = await open(port, slowClients, get(giantHost));
    for (const socket of sockets) socket.pause();
    const timer = setInterval(() => {
      for (const socket of sockets) socket.read(1024);
    }, 100);
    return () => end(sockets, timer);
  },
  'slow back end': async (port, { slowClients }) => {
    const sockets = await open(port, slowClients, get(slowHost));
    return () => end(sockets);
  },
  'a client that stops reading 1 GiB': async (port) => {
    const sockets = await open(port, 1, get(giantHost));
    for (const socket of sockets) socket.pause();
    return () => end(sockets);
  },
  '1 GiB to a dead back end': (port, { bodyBytes }) => upload(port, deadHost, bodyBytes),
  '1 GiB to a back end that does not read': (port, { bodyBytes }) => upload(port, deafHost, bodyBytes),
  'idle connections': async (port, { idle }) => {
    const sockets: Socket[] = [];
    // All at once would overflow the queue of the listener, which is another test.
    while (sockets.length < idle) sockets.push(...(await open(port, Math.min(500, idle - sockets.length), '')));
    return () => end(sockets);
  },
  'slow heads': async (port, { slowHeads }) => {
    const sockets = await open(port, slowHeads, 'GET / HTTP/1.1\r\nHost: bench.example\r\nX: ');
    const timer = setInterval(() => {
      for (const socket of sockets) if (!socket.destroyed) socket.write('a');
    }, 100);
    return () => end(sockets, timer);
  },
};

export async function runHostile(directory: string, seconds: number, sizes: Sizes): Promise<readonly HostileResult[]> {
  const servers = await Promise.all([
    backend((socket) => void socket),
    backend(pourOut(sizes.bodyBytes)),
    backend((socket) => void socket.pause()),
    backend((socket) => void socket),
  ]);
  const [slow, giant, deaf, dead] = servers.map(({ address }) => `http://127.0.0.1:${address().port}`);
  await new Promise<void>((resolve) => void servers[3]?.server.close(() => resolve()));
  const routes = [
    { host: slowHost, to: [slow ?? ''] },
    { host: giantHost, to: [giant ?? ''] },
    { host: deafHost, to: [deaf ?? ''] },
    { host: deadHost, to: [dead ?? ''] },
  ];
  const daemon = await startIsthmus(directory, { more: routes, limits: { connections: sizes.idle * 2 } });
  try {
    const results: HostileResult[] = [];
    for (const [name, disturb] of Object.entries(disturbances)) {
      const result = await measure(name, disturb, daemon, directory, seconds, sizes);
      process.stderr.write(`${name}: p99 ${result.p99} ms (${result.undisturbedP99} ms), ${result.megabytes} MB\n`);
      results.push(result);
    }
    return results;
  } finally {
    await daemon.stop();
    for (const { server, sockets } of servers) {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  }
}

async function measure(
  name: string,
  disturb: Disturbance,
  daemon: Target,
  directory: string,
  seconds: number,
  sizes: Sizes,
): Promise<HostileResult> {
  const load: Load = { path: '/', seconds, connections: 16, anew: false, hosts: 0 };
  const before = await runRound(daemon, load, directory);
  const undisturbedMegabytes = residentMegabytes(daemon.pid);
  let megabytes = 0;
  const look = setInterval(() => (megabytes = Math.max(megabytes, residentMegabytes(daemon.pid))), 100);
  const calm = await disturb(daemon.port, sizes);
  try {
    const during = await runRound(daemon, load, directory);
    return {
      name,
      undisturbedP99: before.p99Milliseconds,
      p99: during.p99Milliseconds,
      undisturbedMegabytes,
      megabytes,
    };
  } finally {
    clearInterval(look);
    calm();
  }
}

function residentMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024);
}

async function open(port: number, count: number, text: string): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
  await Promise.all(
    sockets.map(async (socket) => {
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      if (text !== '') socket.write(text);
    }),
  );
  return sockets;
}

function end(sockets: readonly Socket[], timer?: NodeJS.Timeout): void {
  clearInterval(timer);
  for (const socket of sockets) socket.destroy();
}

/** Uploads as fast as it is taken; begins anew where it was refused. */
async function upload(port: number, host: string, bytes: number): Promise<() => void> {
  const block = Buffer.alloc(256 * 1024, 'x');
  let stopped = false;
  let socket: Socket | null = null;
  const begin = (): void => {
    if (stopped) return;
    const one = (socket = connect(port, '127.0.0.1'));
    let left = bytes;
    const push = (): void => {
      while (left > 0 && one.writable && one.write(block.subarray(0, left))) left -= block.length;
      left -= block.length;
    };
    one.on('error', () => undefined).on('drain', push);
    one.on('close', () => setTimeout(begin, 10));
    one.resume();
    one.write(post(host, bytes));
    push();
  };
  begin();
  return Promise.resolve(() => {
    stopped = true;
    socket?.destroy();
  });
}

interface Backend {
  readonly server: Server;
  readonly sockets: Set<Socket>;
  address(): AddressInfo;
}

async function backend(serve: (socket: Socket) => void): Promise<Backend> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, sockets, address: () => server.address() as AddressInfo };
}

/** Answers with so many octets, as fast as they are taken. */
const pourOut =
  (bytes: number) =>
  (socket: Socket): void => {
    const block = Buffer.alloc(256 * 1024, 'x');
    let left = bytes;
    const push = (): void => {
      while (left > 0 && socket.write(block)) left -= block.length;
      left -= block.length;
      if (left <= 0) socket.end();
    };
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
      push();
    });
    socket.on('drain', push);
  };
