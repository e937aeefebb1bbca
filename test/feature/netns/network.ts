// A network for tests, made of namespaces: a host with a bridge and two containers on it, and a remote machine on a link of the host's.
//
//   a 10.88.0.11 ─┐                     host: 10.88.0.1 on br0, 10.99.0.1 on up0
//                 ├─ br0 (host) up0 ─── r 10.99.0.2, routes to 10.88/24 and VIPs by the host
//   b 10.88.0.12 ─┘                     the same in IPv6 under fd00:88::/64 and fd00:99::/64

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export type Place = 'h' | 'a' | 'b' | 'r';
export const places: readonly Place[] = ['h', 'a', 'b', 'r'];

export type AgentOrder =
  | { readonly type: 'tcp'; readonly id: number; readonly ip: string; readonly port: number; readonly hold?: number }
  | { readonly type: 'udp'; readonly id: number; readonly ip: string; readonly port: number; readonly hold?: number }
  | { readonly type: 'say'; readonly id: number; readonly hold: number };

type Order = AgentOrder extends infer One ? (One extends AgentOrder ? Omit<One, 'id'> : never) : never;

export interface Network {
  /** Runs a command in a place; throws with what it said where it fails. */
  run(place: Place, command: string, input?: string): string;
  spawn(place: Place, command: string, args: readonly string[]): ChildProcess;
  /** What the program in `place` heard: a greeting, an echo, or the code of an error. */
  order(place: Place, order: Order): Promise<string>;
  close(): Promise<void>;
}

const containers = { a: 11, b: 12 } as const;

export async function makeNetwork(): Promise<Network> {
  const prefix = `isth${process.pid}`;
  const nameOf = (place: Place): string => `${prefix}${place}`;
  const exec = (args: readonly string[], input = ''): string => {
    const { status, stdout, stderr } = spawnSync('ip', args, { encoding: 'utf8', input });
    if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const run = (place: Place, command: string, input?: string): string =>
    exec(['netns', 'exec', nameOf(place), 'sh', '-c', command], input);
  const remove = (): void => void places.map((place) => spawnSync('ip', ['netns', 'del', nameOf(place)]));
  try {
    for (const place of places) {
      exec(['netns', 'add', nameOf(place)]);
      run(place, 'ip link set lo up; sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0');
    }
    run(
      'h',
      'sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1',
    );
    run(
      'h',
      'ip link add br0 type bridge; ip link set br0 up; ip addr add 10.88.0.1/24 dev br0; ip addr add fd00:88::1/64 dev br0 nodad',
    );
    for (const place of ['a', 'b'] as const) {
      const number = containers[place];
      run(
        'h',
        `ip link add ${place}0 type veth peer name eth0 netns ${nameOf(place)}; ip link set ${place}0 master br0 up`,
      );
      run(
        place,
        `ip addr add 10.88.0.${number}/24 dev eth0; ip addr add fd00:88::${number}/64 dev eth0 nodad; ip link set eth0 up`,
      );
      run(place, 'ip route add default via 10.88.0.1; ip -6 route add default via fd00:88::1');
    }
    run('h', `ip link add up0 type veth peer name eth0 netns ${nameOf('r')}; ip link set up0 up`);
    run('h', 'ip addr add 10.99.0.1/24 dev up0; ip addr add fd00:99::1/64 dev up0 nodad');
    run('r', 'ip addr add 10.99.0.2/24 dev eth0; ip addr add fd00:99::2/64 dev eth0 nodad; ip link set eth0 up');
    run('r', 'ip route add default via 10.99.0.1; ip -6 route add default via fd00:99::1');
    run('h', 'ip route add default via 10.99.0.2; ip -6 route add default via fd00:99::2');
  } catch (error) {
    remove();
    throw error;
  }
  const inside = (place: Place, command: string, args: readonly string[], ipc: boolean): ChildProcess =>
    spawn('ip', ['netns', 'exec', nameOf(place), command, ...args], {
      stdio: ipc ? ['ignore', 'inherit', 'inherit', 'ipc'] : ['pipe', 'inherit', 'pipe'],
      env: { ...process.env, ISTHMUS_END_WITH_STDIN: '1' },
    });
  const agents = new Map<Place, ChildProcess>();
  const waiting = new Map<number, (text: string) => void>();
  let next = 0;
  const program = fileURLToPath(new URL('./agent.ts', import.meta.url));
  await Promise.all(
    places.map(async (place) => {
      const agent = inside(place, process.execPath, [program, place], true);
      agents.set(place, agent);
      await new Promise<void>((resolve) => {
        agent.on('message', (message: { type: string; id: number; text: string }) => {
          if (message.type === 'ready') resolve();
          else waiting.get(message.id)?.(message.text);
        });
      });
    }),
  );
  return {
    run,
    spawn: (place, command, args) => inside(place, command, args, false),
    order(place, order) {
      const id = next++;
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        agents.get(place)?.send({ ...order, id });
      });
    },
    async close() {
      await Promise.all(
        [...agents.values()].map((agent) => new Promise((resolve) => agent.once('exit', resolve).disconnect())),
      );
      remove();
    },
  };
}
