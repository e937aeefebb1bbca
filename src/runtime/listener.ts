// Listeners: sockets that somebody bound before they are used. The supervisor (or systemd) binds and hands descriptors on, a daemon in
// one process binds for itself; a function that listens cannot tell the difference.

import { createSocket, type Socket as UdpSocket, type SocketOptions } from 'node:dgram';
import { lookup } from 'node:dns';
import { BoundSocket, isIP, isIPv6, type AddressInfo, type Server } from 'node:net';

/** Pending connections that the kernel holds while a turn is busy; Node's own default is 511. */
const backlog = 4096;

/**
 * What the kernel keeps of datagrams for whoever reads. Its default of 208 KiB is no more than 270 queries: a quarter of a second at a thousand
 * a second. It gives as much of this as net.core.rmem_max allows.
 */
const receiveBufferBytes = 4 << 20;

export interface TcpListener {
  readonly address: string;
  readonly port: number;
  /** Makes `server` accept on the bound socket. May be called once. */
  attach(server: Server): Promise<void>;
  /** Gives the address up before anybody attached; nothing after that. */
  close(): void;
}

export interface UdpListener {
  readonly address: string;
  readonly port: number;
  /** A socket that receives on the bound port. May be called once; the caller closes it. */
  open(): Promise<UdpSocket>;
}

/** Binds without listening: a connect before `attach` is refused. Throws EADDRINUSE, EACCES and the like at once. */
export function bindTcp(host: string, port: number): TcpListener {
  const bound = new BoundSocket({ host, port });
  const address = bound.address() as AddressInfo;
  return {
    address: address.address,
    port: address.port,
    attach: (server) => listening(server, () => server.listen(bound, backlog)),
    close: () => bound.close(),
  };
}

/** A TCP socket that is bound already and was inherited as descriptor `fd`. */
export function inheritTcp(fd: number, address: string, port: number): TcpListener {
  return {
    address,
    port,
    attach: (server) => listening(server, () => server.listen({ fd, backlog })),
    close: () => undefined,
  };
}

/** Binds a UDP socket. It receives from now on; what comes before `open` is lost. */
export async function bindUdp(
  host: string,
  port: number,
  options: { readonly reusePort?: boolean } = {},
): Promise<UdpListener> {
  const socket = createSocket({ ...udpOptions(host), reusePort: options.reusePort ?? false });
  await ready(socket, () => socket.bind({ port, address: host }));
  const bound = socket.address();
  return { address: bound.address, port: bound.port, open: () => Promise.resolve(socket) };
}

/** A UDP socket that is bound already and was inherited as descriptor `fd`. */
export function inheritUdp(fd: number, address: string, port: number): UdpListener {
  return {
    address,
    port,
    async open() {
      const socket = createSocket(udpOptions(address));
      await ready(socket, () => socket.bind({ fd }));
      socket.setRecvBufferSize(receiveBufferBytes);
      return socket;
    },
  };
}

/** Longest wait for a moment without connections: under a constant stream of them there is none. */
const quietWithinMs = 250;
/** Turns of the loop without an arrival that say that the kernel's queue is empty (node26.md §A1). */
const quietTurns = 4;

/**
 * Makes `server` stop listening at a moment when nobody waits in the kernel's queue: whoever does when the last listener closes gets a
 * reset. libuv accepts one connection a turn, so turns without one have found the queue empty. Resolves when nothing is accepted any more.
 */
export async function closeWhenQuiet(server: Server): Promise<void> {
  if (!server.listening) return;
  let accepted = 0;
  const note = (): void => void accepted++;
  server.on('connection', note);
  await quiet(() => (server.listening ? accepted : null));
  server.off('connection', note);
  server.close();
}

/** The same for datagrams: whatever waits in the queue of a socket that closes is lost. */
export async function closeUdpWhenQuiet(socket: UdpSocket): Promise<void> {
  let received = 0;
  const note = (): void => void received++;
  let isOpen = true;
  socket.on('message', note);
  socket.once('close', () => (isOpen = false));
  await quiet(() => (isOpen ? received : null));
  socket.off('message', note);
  if (isOpen) socket.close();
}

interface DgramState {
  readonly handle: { readonly fd: number; recvStop(): void };
}

/**
 * Makes a bound UDP socket leave its datagrams in the kernel for whoever has a copy of it; it can still send. Returns its descriptor. A
 * socket with no reader still reads (40 of 100 queries vanished), and Node has no public way to stop it: the state behind dgram's private
 * symbol has (node26.md §A2). Closes the socket and throws where this Node has not.
 */
export function stopReading(socket: UdpSocket): number {
  const symbol = Object.getOwnPropertySymbols(socket).find((candidate) => candidate.description === 'state symbol');
  const state = symbol === undefined ? undefined : (socket as unknown as Record<symbol, DgramState>)[symbol];
  if (typeof state?.handle?.recvStop !== 'function' || typeof state.handle.fd !== 'number') {
    socket.close();
    throw new Error(
      `this Node (${process.version}) does not let a UDP socket be held for workers; set workers: 0 or use its pinned version`,
    );
  }
  state.handle.recvStop();
  return state.handle.fd;
}

/** Goes on in the very callback that found nothing: a turn later something may have come. `count` null: there is nothing left to wait for. */
async function quiet(count: () => number | null): Promise<void> {
  const latest = performance.now() + quietWithinMs;
  let seen = count();
  for (let turns = 0; turns < quietTurns && performance.now() < latest;) {
    await new Promise((resolve) => void setImmediate(resolve));
    const now = count();
    if (now === null) return;
    turns = now === seen ? turns + 1 : 0;
    seen = now;
  }
}

/** Each `send` looks its destination up; for an address that costs a detour over the next tick, a seventh of the whole send. */
function udpOptions(host: string): SocketOptions {
  return {
    type: isIPv6(host) ? 'udp6' : 'udp4',
    lookup(name, options, found) {
      const family = isIP(name);
      if (family === 0) lookup(name, options, found);
      else found(null, name, family);
    },
  };
}

/** `bind({fd})` emits `listening` inside the call, so the handlers must be there before it. */
function ready(socket: UdpSocket, bind: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(error);
    socket.once('error', fail);
    socket.once('listening', () => {
      socket.off('error', fail);
      resolve();
    });
    bind();
  });
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    listen();
  });
}
