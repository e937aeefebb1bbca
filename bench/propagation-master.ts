// The cluster of the propagation benchmark: a fake master in a process of its own, so that its work and memory are not counted as the
// daemon's. Obeys its parent's messages; times are of the machine's monotonic clock, which both processes share.

import { createBigCluster, startFakeMasters } from '../src/fakes/index.ts';

export interface ClusterShape {
  readonly agents: number;
  readonly tasks: number;
  /** Label text that no function reads, as packages bring it, added to each task. */
  readonly paddingBytes: number;
}

export type MasterOrder =
  | { readonly type: 'start'; readonly shape: ClusterShape }
  /** The task that is watched moves to another port of its agent, 127.0.0.1. */
  | { readonly type: 'move'; readonly port: number }
  /** Health flips of `count` tasks in all, spread over `seconds`. */
  | { readonly type: 'flips'; readonly count: number; readonly seconds: number };

export type MasterWord =
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'moved'; readonly at: number }
  | { readonly type: 'flipped'; readonly count: number; readonly seconds: number };

/** Milliseconds of the monotonic clock. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const probeAgent = 'probe-agent';
const tickMs = 10;

if (import.meta.main) {
  process.once('disconnect', () => process.exit(0));
  process.once('message', (order: MasterOrder) => {
    if (order.type === 'start') void start(order.shape);
  });
}

const tell = (word: MasterWord): void => void process.send?.(word);

async function start(shape: ClusterShape): Promise<void> {
  const cluster = createBigCluster(shape);
  const masters = await startFakeMasters(cluster);
  const framework = `${cluster.masterId}-0000`;
  let moves = 0;
  process.on('message', (order: MasterOrder) => {
    if (order.type === 'move') {
      const agent = moves === 0 ? record({ type: 'AGENT_ADDED', agent_added: { agent: agentOnLoopback } }) : '';
      const task = taskOnPort(framework, order.port, ++moves);
      const bytes = Buffer.from(agent + record({ type: 'TASK_ADDED', task_added: { task } }));
      const at = monotonicMs();
      masters.inject(0, bytes);
      tell({ type: 'moved', at });
    } else if (order.type === 'flips') void flip(cluster, order.count, order.seconds);
  });
  tell({ type: 'listening', url: masters.url() });
}

async function flip(cluster: { flip(count: number): void }, count: number, seconds: number): Promise<void> {
  const startedAt = monotonicMs();
  for (let done = 0; done < count;) {
    const due = Math.min(count, Math.ceil(((monotonicMs() - startedAt) / (seconds * 1000)) * count));
    if (due > done) cluster.flip(due - done);
    done = Math.max(done, due);
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
  tell({ type: 'flipped', count, seconds: (monotonicMs() - startedAt) / 1000 });
}

function record(event: object): string {
  const text = JSON.stringify(event);
  return `${Buffer.byteLength(text)}\n${text}`;
}

const agentOnLoopback = {
  agent_info: { id: { value: probeAgent }, hostname: '127.0.0.1', port: 5051 },
  active: true,
  pid: 'slave(1)@127.0.0.1:5051',
};

/** One task with a name, a VIP at an address of its own and a route; `move` makes each a newer one. */
function taskOnPort(framework: string, port: number, move: number): object {
  const labels = (all: Readonly<Record<string, string>>): object => ({
    labels: Object.entries(all).map(([key, value]) => ({ key, value })),
  });
  return {
    name: 'probe',
    task_id: { value: 'probe.1' },
    framework_id: { value: framework },
    agent_id: { value: probeAgent },
    state: 'TASK_RUNNING',
    resources: [{ name: 'ports', type: 'RANGES', ranges: { range: [{ begin: port, end: port }] } }],
    statuses: [{ task_id: { value: 'probe.1' }, state: 'TASK_RUNNING', timestamp: 1_725_000_000 + move }],
    labels: labels({ HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: 'probe.example' }),
    discovery: {
      visibility: 'FRAMEWORK',
      name: 'probe',
      ports: { ports: [{ number: port, name: 'http', protocol: 'tcp', labels: labels({ VIP_0: '127.99.0.1:7099' }) }] },
    },
  };
}
