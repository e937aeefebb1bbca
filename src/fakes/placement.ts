// Where a launch lands: the addresses and ports it was given. Ports and addresses are not given twice while they are in use.
import net from 'node:net';
import type { NetworkMode, NetworkSpec, PortSpec } from './task-spec.ts';
import { networkNames, wantsHostPort } from './task-spec.ts';

export interface ContainerAddress {
  // Undefined on Docker's default bridge.
  readonly network?: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
}

export interface PlacedPort {
  readonly spec: PortSpec;
  readonly hostPort?: number;
  readonly containerPort: number;
}

export interface Placement {
  readonly agentId: string;
  readonly agentIp: string;
  readonly mode: NetworkMode;
  // Empty with host networking.
  readonly addresses: readonly ContainerAddress[];
  readonly ports: readonly PlacedPort[];
}

export interface AddressPlan {
  nextAgentIp(): string;
  place(
    agentId: string,
    agentIp: string,
    network: NetworkSpec,
    ports: readonly PortSpec[],
    options: { readonly ipv6: boolean; readonly fixed?: { readonly ipv4?: string; readonly ipv6?: string } },
  ): Placement;
  // Gives host ports and container addresses back, once their servers have closed.
  release(placement: Placement): void;
  close(): void;
}

const FIRST_PORT = 31000;
const LAST_PORT = 31999;
const LOCK_PORT = 61999;
const BLOCKS = 60;

interface Block {
  readonly agents: string;
  readonly containers: string;
  release(): void;
}

function tryLock(block: number): net.Server | undefined {
  try {
    const bound = new net.BoundSocket({ host: `127.${String(2 * block + 1)}.255.254`, port: LOCK_PORT });
    const server = net.createServer().unref();
    server.listen(bound);
    return server;
  } catch {
    return undefined;
  }
}

// Test files run side by side: each cluster with real servers keeps a 127.x block to itself by holding a listener in it.
function lockBlock(): Block {
  for (let block = 0; block < BLOCKS; block++) {
    const lock = tryLock(block);
    if (lock === undefined) continue;
    return {
      agents: `127.${String(2 * block + 1)}.0`,
      containers: `127.${String(2 * block + 2)}`,
      release: () => {
        lock.close();
      },
    };
  }
  throw new Error(`All ${String(BLOCKS)} blocks of loopback addresses for fake clusters are taken`);
}

class Subnets {
  readonly #prefix: string;
  readonly #next = new Map<string, number>();
  readonly #indexes = new Map<string, number>();
  readonly #taken = new Set<string>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  allocate(network: string): { subnet: number; host: number; ipv4: string } {
    const subnet = this.#subnetOf(network);
    for (let tries = 0; tries < 253; tries++) {
      const host = this.#next.get(network) ?? 2;
      this.#next.set(network, host === 254 ? 2 : host + 1);
      const ipv4 = `${this.#prefix}.${String(subnet)}.${String(host)}`;
      if (this.#taken.has(ipv4)) continue;
      this.#taken.add(ipv4);
      return { subnet, host, ipv4 };
    }
    throw new Error(`Network ${network} has no free address`);
  }

  release(ipv4: string): void {
    this.#taken.delete(ipv4);
  }

  #subnetOf(network: string): number {
    const known = this.#indexes.get(network);
    if (known !== undefined) return known;
    const index = network === 'docker0' ? 250 : network === 'mesos-bridge' ? 251 : 100 + this.#indexes.size;
    this.#indexes.set(network, index);
    return index;
  }
}

class HostPorts {
  readonly #next = new Map<string, number>();
  readonly #taken = new Set<string>();

  take(agentIp: string, wanted: number): number {
    if (wanted !== 0) {
      this.#taken.add(`${agentIp}:${String(wanted)}`);
      return wanted;
    }
    for (let tries = FIRST_PORT; tries <= LAST_PORT; tries++) {
      const port = this.#next.get(agentIp) ?? FIRST_PORT;
      this.#next.set(agentIp, port === LAST_PORT ? FIRST_PORT : port + 1);
      if (this.#taken.has(`${agentIp}:${String(port)}`)) continue;
      this.#taken.add(`${agentIp}:${String(port)}`);
      return port;
    }
    throw new Error(`Agent ${agentIp} has no free port`);
  }

  release(agentIp: string, port: number): void {
    this.#taken.delete(`${agentIp}:${String(port)}`);
  }
}

export function createAddressPlan(options: { readonly real: boolean; readonly agentNet?: string }): AddressPlan {
  const block = options.real ? lockBlock() : undefined;
  const agents = options.agentNet ?? block?.agents ?? '10.0.1';
  const subnets = new Subnets(block?.containers ?? '10.0');
  const hostPorts = new HostPorts();
  let agentCount = 0;

  const containerAddress = (network: string | undefined, ipv6: boolean): ContainerAddress => {
    const { subnet, host, ipv4 } = subnets.allocate(network ?? 'docker0');
    return {
      ipv4,
      ...(network === undefined ? {} : { network }),
      ...(ipv6 ? { ipv6: `fd01:a:${subnet.toString(16)}::${host.toString(16)}` } : {}),
    };
  };

  const addressesOf = (network: NetworkSpec, ipv6: boolean, fixed: { ipv4?: string; ipv6?: string } | undefined) => {
    if (network.mode === 'host') return [];
    const names = network.mode === 'docker-bridge' ? [undefined] : networkNames(network);
    return names.map((name) =>
      fixed === undefined
        ? containerAddress(name, ipv6)
        : { ...(name === undefined ? {} : { network: name }), ...fixed },
    );
  };

  return {
    nextAgentIp: () => `${agents}.${String(11 + agentCount++)}`,
    place(agentId, agentIp, network, ports, { ipv6, fixed }) {
      const placed = ports.map((spec): PlacedPort => {
        if (!wantsHostPort(network.mode, spec)) return { spec, containerPort: spec.containerPort ?? 0 };
        const hostPort = hostPorts.take(agentIp, spec.hostPort ?? 0);
        // Marathon: container port 0 means "the same as the host port".
        return {
          spec,
          hostPort,
          containerPort: spec.containerPort === undefined || spec.containerPort === 0 ? hostPort : spec.containerPort,
        };
      });
      return { agentId, agentIp, mode: network.mode, addresses: addressesOf(network, ipv6, fixed), ports: placed };
    },
    release(placement) {
      for (const { hostPort } of placement.ports)
        if (hostPort !== undefined) hostPorts.release(placement.agentIp, hostPort);
      for (const { ipv4 } of placement.addresses) if (ipv4 !== undefined) subnets.release(ipv4);
    },
    close() {
      block?.release();
    },
  };
}
