// Service ports of apps: a listener for each, opened and closed as records come and go. A port that cannot be bound is reported and tried
// again; an open one never refuses while its app exists (specs/l7.md §1.2).

import { createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { closeWhenQuiet, codeOf, OpenAddresses, type Clock, type Logger, type Timer } from '../../src/runtime/index.ts';
import type { Accepted } from '../tls/index.ts';
import type { PortDoor, PortDoors } from './port-doors.ts';
import type { CompiledPort } from './route-plane.ts';

const backlog = 4096;
const retryMs = 2_000;

export interface ServicePortsOptions {
  /** Where ports without an address of their own are opened. */
  readonly address: string;
  /** Several workers open the same ports, each for itself. */
  readonly shared: boolean;
  /** Makes the server of a port in mode http; its connections come with their local port. */
  readonly createHttpServer: () => Server;
  /** A connection in mode tcp. */
  readonly onTcp: (socket: Socket, port: () => CompiledPort | null, accepted?: Accepted) => void;
  /** A connection in mode http that came by a door. */
  readonly onHttp: (accepted: Accepted) => void;
  readonly doors: PortDoors;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface ServicePorts {
  /** Opens what is new, closes what is gone. Resolves once every new port is open or has failed for the first time. */
  follow(ports: ReadonlyMap<number, CompiledPort>): Promise<void>;
  /** Opens what is there by now; before it, nothing is opened. */
  start(): Promise<void>;
  /** Service port to `host:port`. */
  readonly addresses: OpenAddresses;
  problems(): readonly string[];
  drain(): Promise<void>;
  stop(): Promise<void>;
}

export function createServicePorts(options: ServicePortsOptions): ServicePorts {
  const open = new Map<number, PortListener>();
  const addresses = new OpenAddresses();
  const problems = new Map<PortListener, string>();
  let ports: ReadonlyMap<number, CompiledPort> = new Map();
  let started = false;
  const follow = async (next: ReadonlyMap<number, CompiledPort>): Promise<void> => {
    ports = next;
    if (!started) return;
    const closing: Promise<void>[] = [];
    for (const [port, listener] of open) {
      const wanted = next.get(port);
      if (wanted !== undefined && formOf(wanted, options) === listener.form) continue;
      open.delete(port);
      closing.push(listener.close());
    }
    await Promise.all(closing);
    const opening: Promise<void>[] = [];
    for (const [port, wanted] of next) {
      if (open.has(port)) continue;
      const listener = new PortListener(wanted, { ...options, addresses, problems }, () => ports.get(port) ?? null);
      open.set(port, listener);
      opening.push(listener.open());
    }
    await Promise.all(opening);
  };
  return {
    follow,
    async start() {
      started = true;
      await follow(ports);
    },
    addresses,
    problems: () => [...problems.values()],
    async drain() {
      started = false;
      await Promise.all([...open.values()].map((listener) => listener.close()));
    },
    async stop() {
      started = false;
      await Promise.all([...open.values()].map((listener) => listener.close()));
      open.clear();
    },
  };
}

/** What makes it another listener. */
function formOf({ entry }: CompiledPort, { address }: ServicePortsOptions): string {
  return JSON.stringify([
    entry.port,
    entry.mode,
    entry.interface ?? entry.address ?? address,
    entry.tls ?? null,
    entry.acceptProxy ?? false,
  ]);
}

/** What listeners say of themselves, each of its own. */
interface PortNotes {
  readonly addresses: OpenAddresses;
  readonly problems: Map<PortListener, string>;
}

class PortListener {
  readonly form: string;
  #bound: string | null = null;
  readonly #entry: CompiledPort['entry'];
  readonly #options: ServicePortsOptions & PortNotes;
  readonly #current: () => CompiledPort | null;
  #server: Server | null = null;
  #door: PortDoor | null = null;
  #retry: Timer | null = null;
  #closed = false;

  constructor(port: CompiledPort, options: ServicePortsOptions & PortNotes, current: () => CompiledPort | null) {
    this.form = formOf(port, options);
    this.#entry = port.entry;
    this.#options = options;
    this.#current = current;
  }

  async open(): Promise<void> {
    const { port, appId } = this.#entry;
    const { address, shared, clock, log } = this.#options;
    const { interface: link } = this.#entry;
    const host = link === undefined ? (this.#entry.address ?? address) : addressOfInterface(link);
    if (host === null) {
      this.#fail(
        `service port ${port} of ${appId} cannot be opened: there is no interface ${link ?? ''} with an address; it is tried again`,
      );
      this.#retry = clock.after(retryMs, () => void this.open());
      return;
    }
    const server = this.#makeServer();
    if (typeof server === 'string') {
      this.#fail(server);
      return;
    }
    const code = await listening(server, { host, port, backlog, exclusive: true, reusePort: shared });
    if (this.#closed) {
      server.close();
      return;
    }
    if (code === null) {
      this.#server = server;
      this.#bound = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
      this.#options.addresses.add(String(port), this.#bound);
      this.#options.problems.delete(this);
      server.on('error', (error) => log.error({ port, error: codeOf(error) }, 'a service port failed'));
      return;
    }
    this.#fail(`service port ${port} of ${appId} cannot be opened on ${host}: ${code}; it is tried again`);
    this.#retry = clock.after(retryMs, () => void this.open());
  }

  #fail(problem: string): void {
    if (!this.#closed) this.#options.problems.set(this, problem);
  }

  /** Or why there is none: in clear text it would be open to everybody on the way. */
  #makeServer(): Server | string {
    const { createHttpServer, onTcp, onHttp, doors } = this.#options;
    const { port, mode, tls, acceptProxy } = this.#entry;
    if (tls === undefined && acceptProxy !== true)
      return mode === 'http'
        ? createHttpServer()
        : createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
            onTcp(socket, this.#current),
          );
    this.#door?.close();
    const door = doors.open(this.#entry, (accepted) => {
      // Behind a balancer the client meant another port; here it is the one that says where it goes.
      const { addresses } = accepted;
      const here = { ...accepted, addresses: addresses === null ? null : { ...addresses, localPort: port } };
      if (mode === 'http') onHttp(here);
      else onTcp(here.socket.pause(), this.#current, here);
    });
    if (typeof door === 'string') return door;
    this.#door = door;
    return door.server;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#door?.close();
    this.#retry?.cancel();
    if (this.#bound !== null) this.#options.addresses.delete(String(this.#entry.port), this.#bound);
    this.#bound = null;
    this.#options.problems.delete(this);
    const server = this.#server;
    this.#server = null;
    if (server !== null) await closeWhenQuiet(server);
  }
}

/** IPv4 before IPv6, and none that is good on its link alone. */
function addressOfInterface(name: string): string | null {
  const all = (networkInterfaces()[name] ?? []).filter(({ address }) => !/^fe80:/i.test(address));
  return (all.find(({ family }) => family === 'IPv4') ?? all[0])?.address ?? null;
}

/** Null, or the code of what went wrong. Never rejects. */
function listening(
  server: Server,
  options: {
    readonly host: string;
    readonly port: number;
    readonly backlog: number;
    readonly exclusive: boolean;
    readonly reusePort: boolean;
  },
): Promise<string | null> {
  return new Promise((resolve) => {
    const failed = (error: Error): void => resolve(codeOf(error) || 'unknown');
    server.once('error', failed);
    server.listen(options, () => {
      server.off('error', failed);
      resolve(null);
    });
  });
}
