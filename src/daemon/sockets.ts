// Sockets of the configuration: bound once, before anything else starts, and told to whoever listens on them. A socket that cannot be
// bound costs its own function only.

import { createSocket } from 'node:dgram';
import { BoundSocket, isIPv6, type AddressInfo } from 'node:net';
import { codeOf, messageOf, stopReading } from '../runtime/index.ts';

/** One address of the configuration that somebody listens on. */
export interface ListenerPlan {
  /** As `listeners` of the ready line names it: `dns`, `router.http`, `admin` … */
  readonly key: string;
  /** Position in the configuration's list. */
  readonly index: number;
  readonly kind: 'tcp' | 'udp';
  /** Which kind of process accepts on it. */
  readonly role: 'control' | 'worker';
  readonly host: string;
  readonly port: number;
}

export interface BoundPlan extends ListenerPlan {
  /** The port in force: the kernel's choice where the plan says 0. */
  readonly boundPort: number;
}

export interface BindFailure extends ListenerPlan {
  /** One line: what, why, and what would help. */
  readonly reason: string;
}

/** A bound socket that is held for others: nobody reads it here. */
export interface HeldSocket extends BoundPlan {
  readonly fd: number;
  close(): void;
}

export interface Binding<S extends BoundPlan> {
  readonly bound: readonly S[];
  readonly failures: readonly BindFailure[];
}

/** Opens one socket of a plan on the given port, or throws the system's error. */
export type Bind<S extends BoundPlan> = (plan: ListenerPlan, port: number) => Promise<S>;

/** Tries for a free number that UDP and TCP can share. */
const pairAttempts = 16;

/** Binds every plan that can be bound. Plans of one key and index share their number, as DNS does over UDP and TCP. */
export async function bindAll<S extends BoundPlan & { close(): void }>(
  plans: readonly ListenerPlan[],
  bind: Bind<S>,
): Promise<Binding<S>> {
  const bound: S[] = [];
  const failures: BindFailure[] = [];
  for (const group of groupByAddress(plans)) {
    const opened = await bindGroup(group, bind);
    bound.push(...opened.bound);
    failures.push(...opened.failures);
  }
  return { bound, failures };
}

async function bindGroup<S extends BoundPlan & { close(): void }>(
  group: readonly ListenerPlan[],
  bind: Bind<S>,
): Promise<Binding<S>> {
  let failures: BindFailure[] = [];
  for (let attempt = 0; attempt < pairAttempts; attempt++) {
    const bound: S[] = [];
    failures = [];
    for (const plan of group) {
      try {
        bound.push(await bind(plan, plan.port === 0 ? (bound[0]?.boundPort ?? 0) : plan.port));
      } catch (error) {
        failures.push({ ...plan, reason: explainBindError(plan, error) });
      }
    }
    const collided = failures.length > 0 && bound.length > 0 && group[0]?.port === 0;
    if (!collided) return { bound, failures };
    for (const socket of bound) socket.close();
  }
  return { bound: [], failures };
}

function groupByAddress(plans: readonly ListenerPlan[]): readonly (readonly ListenerPlan[])[] {
  const groups = new Map<string, ListenerPlan[]>();
  for (const plan of plans) {
    const key = `${plan.key}/${plan.index}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [plan]);
    else group.push(plan);
  }
  return [...groups.values()];
}

/** Binds without reading: for a supervisor that hands the descriptor on. */
export async function holdSocket(plan: ListenerPlan, port: number): Promise<HeldSocket> {
  if (plan.kind === 'tcp') {
    const socket = new BoundSocket({ host: plan.host, port });
    const address = socket.address() as AddressInfo;
    return { ...plan, boundPort: address.port, fd: socket.fd(), close: () => socket.close() };
  }
  const socket = createSocket({ type: isIPv6(plan.host) ? 'udp6' : 'udp4' });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port, address: plan.host, exclusive: true }, resolve);
  });
  const fd = stopReading(socket);
  return { ...plan, boundPort: socket.address().port, fd, close: () => void socket.close() };
}

function explainBindError(plan: ListenerPlan, error: unknown): string {
  const where = `${plan.key}[${plan.index}] ${plan.kind} ${formatAddress(plan.host, plan.port)}`;
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `${where} is taken by another program (EADDRINUSE): stop that one, or give another address`;
    case 'EACCES':
      return `${where} may not be bound (EACCES): ports below 1024 need root or CAP_NET_BIND_SERVICE`;
    case 'EADDRNOTAVAIL':
      return `${where} is no address of this machine (EADDRNOTAVAIL): give one that \`ip addr\` shows`;
    default:
      return `${where} cannot be bound: ${messageOf(error)}`;
  }
}

export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
