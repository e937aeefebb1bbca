// The DNS server: datagrams and connections in, replies out. Decides what is wrong with a packet itself; what a name answers is the
// chain's business.

import type { Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import {
  closeWhenQuiet,
  IsthmusError,
  messageOf,
  stopReading,
  type Cell,
  type Clock,
  type Logger,
  type TcpListener,
  type Timer,
  type UdpListener,
} from '../src/runtime/index.ts';
import { createResponder, type Responder } from './responder.ts';
import { createFrameReader, frame } from './wire/index.ts';
import type { ResponderOptions } from './responder.ts';

export interface ServerOptions extends ResponderOptions {
  readonly udp: readonly UdpListener[];
  readonly tcp: readonly TcpListener[];
  readonly clock: Clock;
  readonly log: Logger;
  /** Connections open at once; one more is closed at once. */
  readonly mostConnections: number;
  /** How long a connection may be without a complete query. */
  readonly idleMs: number;
  /** Gauge of open connections. */
  readonly connections: Cell;
}

export interface DnsServer {
  start(): Promise<void>;
  drain(deadlineMs: number): Promise<void>;
  /** As `TrafficFunction`. */
  handOver(): Promise<void>;
  stop(): Promise<void>;
}

/** Queries of one connection answered at once; reading waits beyond. */
const mostPipelined = 128;
/** Zones under way to secondaries at once; one more is refused, and comes again later. */
const mostTransfers = 8;
/** Octets of replies that a slow reader may let pile up. */
const mostUnread = 256 * 1024;

interface ServerState {
  readonly options: ServerOptions;
  readonly responder: Responder;
  readonly sockets: Set<UdpSocket>;
  readonly servers: Set<Server>;
  readonly connections: Set<Connection>;
  /** Replies to datagrams that are still looked for. */
  readonly underWay: Set<Promise<void>>;
  isDraining: boolean;
  transfersUnderWay: number;
}

interface Connection {
  readonly socket: Socket;
  underWay: number;
  /** No more queries come, or none are wanted. */
  isEnding: boolean;
  /** Something went over it: it is not idle. */
  touch(): void;
}

export function createDnsServer(options: ServerOptions): DnsServer {
  const state: ServerState = {
    options,
    responder: createResponder(options),
    sockets: new Set(),
    servers: new Set(),
    connections: new Set(),
    underWay: new Set(),
    isDraining: false,
    transfersUnderWay: 0,
  };
  return {
    start: () => start(state),
    drain: (deadlineMs) => drain(state, deadlineMs),
    handOver: () => handOver(state),
    stop: () => stop(state),
  };
}

async function start(state: ServerState): Promise<void> {
  const { udp, tcp, log } = state.options;
  const opened = await Promise.allSettled([
    ...udp.map((listener) => openUdp(state, listener)),
    ...tcp.map((listener) => openTcp(state, listener)),
  ]);
  const failures = opened.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => messageOf(reason));
  if (failures.length === 0) return;
  const message = `DNS cannot listen: ${failures.join('; ')}`;
  if (failures.length === opened.length)
    throw new IsthmusError('DNS_LISTEN', message, { side: 'internal', retryable: true });
  log.error({ failures }, 'DNS listens only in part');
}

async function openUdp(state: ServerState, listener: UdpListener): Promise<void> {
  const { responder, options } = state;
  const socket = await listener.open();
  state.sockets.add(socket);
  // A reply to a forged address may fail: nothing to wake anybody for.
  socket.on('error', (error) => options.log.debug({ error: messageOf(error) }, 'a DNS reply could not be sent'));
  const outbox = createOutbox(socket, () => state.sockets.has(socket));
  socket.on('message', (bytes, { address, port }) => {
    // Port 0 is nobody's; sending there would throw.
    if (port === 0) return;
    const reply = responder.reply(bytes, 'udp', address);
    if (reply instanceof Promise) {
      const answered = reply
        .then((message) => void (message !== null && outbox.post(message, port, address)))
        .finally(() => state.underWay.delete(answered));
      state.underWay.add(answered);
    } else if (reply !== null) outbox.post(reply, port, address);
  });
}

interface Outbox {
  post(message: Buffer, port: number, address: string): void;
}

/**
 * Sends what one turn of the loop has answered at its end, in one go: then a client that waits is woken once for all of it, which is
 * what a datagram's way through the kernel costs most.
 */
function createOutbox(socket: UdpSocket, isOpen: () => boolean): Outbox {
  const messages: Buffer[] = [];
  const ports: number[] = [];
  const addresses: string[] = [];
  const flush = (): void => {
    if (isOpen())
      for (let i = 0; i < messages.length; i++)
        socket.send(messages[i] as Buffer, ports[i] as number, addresses[i] as string);
    messages.length = ports.length = addresses.length = 0;
  };
  return {
    post(message, port, address) {
      if (messages.length === 0) setImmediate(flush);
      messages.push(message);
      ports.push(port);
      addresses.push(address);
    },
  };
}

async function openTcp(state: ServerState, listener: TcpListener): Promise<void> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => accept(state, socket));
  await listener.attach(server);
  server.on('error', (error) =>
    state.options.log.warn({ error: messageOf(error) }, 'a DNS listener reported an error'),
  );
  state.servers.add(server);
}

function accept(state: ServerState, socket: Socket): void {
  const { options, connections } = state;
  socket.on('error', () => socket.destroy());
  if (connections.size >= options.mostConnections) {
    socket.destroy();
    return;
  }
  const client = socket.remoteAddress ?? '';
  let idle: Timer = options.clock.after(options.idleMs, () => socket.destroy());
  const touch = (): void => {
    idle.cancel();
    idle = options.clock.after(options.idleMs, () => socket.destroy());
  };
  const connection: Connection = { socket, underWay: 0, isEnding: state.isDraining, touch };
  connections.add(connection);
  options.connections.value = connections.size;
  const reader = createFrameReader((bytes) => {
    touch();
    answerOver(state, connection, bytes, client);
  });
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  socket.on('drain', () => resumeWhenFree(connection));
  // The other side has said all it will say: what is under way is answered first.
  socket.on('end', () => endWhenIdle(connection));
  socket.on('close', () => {
    idle.cancel();
    connections.delete(connection);
    options.connections.value = connections.size;
  });
}

function answerOver(state: ServerState, connection: Connection, bytes: Buffer, client: string): void {
  const transfer = state.transfersUnderWay < mostTransfers ? state.options.transfers?.begin(bytes, client) : null;
  if (transfer !== null && transfer !== undefined) {
    state.transfersUnderWay++;
    connection.underWay++;
    sendTransfer(state, connection, transfer);
    return;
  }
  const reply = state.responder.reply(bytes, 'tcp', client);
  if (reply === null) {
    connection.socket.destroy();
  } else if (reply instanceof Promise) {
    connection.underWay++;
    if (connection.underWay >= mostPipelined) connection.socket.pause();
    void reply.then((message) => {
      connection.underWay--;
      if (message !== null) write(connection, message);
      if (connection.isEnding) endWhenIdle(connection);
    });
  } else {
    write(connection, reply);
  }
}

/** One message at a time, so that queries of others come in between; the client's pace is the transfer's. */
function sendTransfer(state: ServerState, connection: Connection, messages: Iterator<Buffer>): void {
  const { socket } = connection;
  const next = socket.destroyed ? undefined : messages.next();
  if (next === undefined || next.done === true) {
    state.transfersUnderWay--;
    connection.underWay--;
    if (connection.isEnding) endWhenIdle(connection);
    return;
  }
  connection.touch();
  socket.write(frame(next.value));
  const goOn = (): void => sendTransfer(state, connection, messages);
  if (socket.writableLength <= mostUnread) setImmediate(goOn);
  else {
    const either = (): void => {
      socket.off('drain', either);
      socket.off('close', either);
      goOn();
    };
    socket.on('drain', either);
    socket.on('close', either);
  }
}

function write(connection: Connection, message: Buffer): void {
  const { socket } = connection;
  if (socket.destroyed) return;
  socket.write(frame(message));
  if (socket.writableLength > mostUnread) socket.pause();
  else resumeWhenFree(connection);
}

function resumeWhenFree({ socket, underWay }: Connection): void {
  if (socket.isPaused() && underWay < mostPipelined && socket.writableLength <= mostUnread) socket.resume();
}

function endWhenIdle(connection: Connection): void {
  connection.isEnding = true;
  if (connection.underWay === 0) connection.socket.end();
}

/** UDP answers until `stop`: a datagram has nowhere else to go. Connections end when what they asked is answered. */
async function drain(state: ServerState, deadlineMs: number): Promise<void> {
  const closed = [...state.servers].map((server) => new Promise<void>((resolve) => server.once('close', resolve)));
  await Promise.all([...state.servers].map(closeWhenQuiet));
  state.isDraining = true;
  for (const connection of state.connections) endWhenIdle(connection);
  let timer: Timer | undefined;
  const late = new Promise<void>((resolve) => {
    timer = state.options.clock.after(deadlineMs, resolve);
  });
  await Promise.race([Promise.all(closed), late]);
  timer?.cancel();
}

async function handOver({ sockets, underWay }: ServerState): Promise<void> {
  for (const socket of sockets) stopReading(socket);
  await Promise.all(underWay);
  // The last ones leave at the end of this turn.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const closed = [...sockets].map((socket) => new Promise<void>((resolve) => socket.close(resolve)));
  sockets.clear();
  await Promise.all(closed);
}

async function stop(state: ServerState): Promise<void> {
  const closed: Promise<void>[] = [];
  for (const server of state.servers)
    if (server.listening) closed.push(new Promise((resolve) => server.close(() => resolve())));
  for (const { socket } of state.connections) socket.destroy();
  for (const socket of state.sockets) closed.push(new Promise((resolve) => socket.close(() => resolve())));
  state.sockets.clear();
  state.servers.clear();
  await Promise.all(closed);
}
