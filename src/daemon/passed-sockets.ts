// Sockets that systemd, or another parent that knows its protocol, has bound before the daemon started (sd_listen_fds(3)): taken for the
// listeners of the configuration that they fit. Whoever passed them holds them too, so connections wait while the daemon is restarted.

import { createSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { Socket, isIPv6, type AddressInfo } from 'node:net';
import { codeOf, messageOf, stopReading, type Logger } from '../runtime/index.ts';
import { formatAddress, type HeldSocket, type ListenerPlan } from './sockets.ts';

const firstDescriptor = 3;

/** One descriptor as it came. */
interface PassedSocket {
  readonly fd: number;
  /** `FileDescriptorName=` of the socket unit; systemd's own default where none was given. */
  readonly name: string;
  readonly kind: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
  close(): void;
}

export interface PassedSockets {
  /**
   * The sockets that fit these plans, each at most once: by address and port, else by a name that is the listener's key. Whatever fits
   * none is named in the log and closed, so that nobody waits in a queue that is never read.
   */
  claim(plans: readonly ListenerPlan[]): ReadonlyMap<ListenerPlan, HeldSocket>;
}

/**
 * Takes `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES` out of `env`. Descriptors for another pid are left alone; without `LISTEN_PID` they
 * are ours (the launcher has checked it).
 */
export function takePassedSockets(env: NodeJS.ProcessEnv, log: Logger): PassedSockets {
  const { LISTEN_FDS: count, LISTEN_PID: pid, LISTEN_FDNAMES: names } = env;
  for (const name of ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES']) delete env[name];
  const number = pid === undefined || pid === String(process.pid) ? Number(count ?? 0) : 0;
  const name = names?.split(':') ?? [];
  const passed: PassedSocket[] = [];
  for (let index = 0; Number.isInteger(number) && index < number; index++) {
    const fd = firstDescriptor + index;
    const socket = openPassed(fd, name[index] ?? '');
    if (typeof socket !== 'string') passed.push(socket);
    else
      log.warn({ fd, name: name[index], reason: socket }, 'a descriptor that was passed is no use here and is closed');
  }
  return { claim: (plans) => claimFrom(passed, plans, log) };
}

/** The socket, or what is wrong with it; then it is closed. */
function openPassed(fd: number, name: string): PassedSocket | string {
  try {
    return openTcp(fd, name);
  } catch (error) {
    if (codeOf(error) !== 'ERR_INVALID_FD_TYPE') return refuse(fd, messageOf(error));
  }
  try {
    return openUdp(fd, name);
  } catch (error) {
    return refuse(fd, codeOf(error) === 'ERR_INVALID_FD_TYPE' ? 'neither TCP nor UDP' : messageOf(error));
  }
}

function refuse(fd: number, reason: string): string {
  try {
    closeSync(fd);
  } catch {
    // Not open, or closed by whoever failed over it.
  }
  return reason;
}

/** A `Socket` around it never reads and never accepts, but knows its address. */
function openTcp(fd: number, name: string): PassedSocket | string {
  const socket = new Socket({ fd, readable: false, writable: false });
  socket.unref();
  const address = socket.address() as Partial<AddressInfo>;
  const isOurs = address.address !== undefined && address.port !== undefined && socket.remoteAddress === undefined;
  if (!isOurs) {
    socket.destroy();
    return address.address === undefined ? 'not a socket of TCP' : 'a connection, not a listener: use Accept=no';
  }
  const { address: host = '', port = 0 } = address;
  return { fd, name, kind: 'tcp', host, port, close: () => void socket.destroy() };
}

function openUdp(fd: number, name: string): PassedSocket {
  const socket = createSocket('udp4');
  // It is bound in this very call, and told to stop reading before a datagram can be taken.
  socket.bind({ fd });
  stopReading(socket);
  socket.unref();
  const { address, port } = socket.address();
  return { fd, name, kind: 'udp', host: address, port, close: () => void socket.close() };
}

function claimFrom(
  passed: PassedSocket[],
  plans: readonly ListenerPlan[],
  log: Logger,
): ReadonlyMap<ListenerPlan, HeldSocket> {
  const claimed = new Map<ListenerPlan, HeldSocket>();
  const pair = (fits: (socket: PassedSocket, plan: ListenerPlan) => boolean): void => {
    for (const plan of plans) {
      const index = passed.findIndex((socket) => !claimed.has(plan) && socket.kind === plan.kind && fits(socket, plan));
      const [socket] = index < 0 ? [] : passed.splice(index, 1);
      if (socket !== undefined) claimed.set(plan, holding(plan, socket));
    }
  };
  pair((socket, plan) => socket.port === plan.port && canonical(socket.host) === canonical(plan.host));
  pair((socket, plan) => socket.name === plan.key);
  if (claimed.size > 0) log.info({ listeners: [...claimed.values()].map(nameOf) }, 'sockets were passed and are taken');
  for (const { kind, host, port, name, close } of passed.splice(0)) {
    log.warn(
      { kind, address: formatAddress(host, port), name },
      'a socket was passed that no listener of the configuration has; it is closed',
    );
    close();
  }
  return claimed;
}

/** Its own address is told, which a name may have brought. */
function holding(plan: ListenerPlan, { fd, host, port, close }: PassedSocket): HeldSocket {
  return { ...plan, host, boundPort: port, fd, close };
}

const nameOf = ({ key, kind, host, boundPort }: HeldSocket): string =>
  `${key} ${kind} ${formatAddress(host, boundPort)}`;

const canonical = (host: string): string => (isIPv6(host) ? new URL(`http://[${host}]`).hostname : host);
