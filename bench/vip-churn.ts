// Backends that come and go under connections, on a network of namespaces: a real daemon, a client on another machine that connects all the
// time, and connections that are held through all of it. With the kernel plane the daemon is stopped, killed and started again meanwhile.

import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isthmus } from '../test/feature/daemon.ts';
import { makeNetwork, type Network } from '../test/feature/netns/network.ts';
import { stateOf, type TestTask } from '../test/feature/netns/tasks.ts';

export interface ChurnFigures {
  readonly plane: 'kernel' | 'user';
  /** Versions of the cluster's picture that were published. */
  readonly changes: number;
  readonly connections: number;
  /** Of the connections, those that did not reach a backend, by what they heard. */
  readonly failures: number;
  readonly heard: Readonly<Record<string, number>>;
  readonly held: number;
  /** Of those held, the ones that did not live to the end. */
  readonly cut: number;
  readonly seconds: number;
}

const wantedChanges = 2000;
const wantedConnections = 20_000;
const clients = 12;
const held = 8;
const changeEveryMs = 45;
const mostSeconds = 300;
const moving = '198.51.100.15:80';
const steady = '198.51.100.16:80';

const inA: TestTask = { id: 'in-a', ip: '10.88.0.11', vips: [moving] };
const inB: TestTask = { id: 'in-b', ip: '10.88.0.12', vips: [moving] };
const still: TestTask = { id: 'still', ip: '10.88.0.12', vips: [steady] };
const pictures: readonly (readonly TestTask[])[] = [
  [still, inA, inB],
  [still, inB],
  [still, inA, inB],
  [still, inA],
];

export async function measureChurn(plane: 'kernel' | 'user'): Promise<ChurnFigures> {
  const network = await makeNetwork();
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const cluster = join(directory, 'cluster.json');
  const tell = (tasks: readonly TestTask[]): void => {
    writeFileSync(`${cluster}.new`, stateOf(tasks));
    renameSync(`${cluster}.new`, cluster);
  };
  tell(pictures[0] ?? []);
  writeFileSync(join(directory, 'isthmus.yaml'), configOf(plane, cluster));
  let daemon = await startIn(network, directory);
  try {
    const greet = (vip: string, hold?: number): Promise<string> => {
      const [ip = '', port = ''] = vip.split(':');
      return network.order('r', { type: 'tcp', ip, port: Number(port), ...(hold === undefined ? {} : { hold }) });
    };
    for (let i = 0; i < held; i++) await greet(steady, i);
    const startedAt = performance.now();
    const seconds = (): number => (performance.now() - startedAt) / 1000;
    const heard: Record<string, number> = {};
    let connections = 0;
    let isOver = false;
    const load = Array.from({ length: clients }, async () => {
      while (!isOver) {
        const [word = ''] = (await greet(moving)).split(' ');
        heard[word] = (heard[word] ?? 0) + 1;
        connections++;
      }
    });
    let changes = 0;
    let from = versionOf(network);
    const count = (): void => void (changes += versionOf(network) - from);
    for (let step = 1; seconds() < mostSeconds; step++) {
      tell(pictures[step % pictures.length] ?? []);
      await new Promise((resolve) => setTimeout(resolve, changeEveryMs));
      if (plane === 'kernel' && (step === 500 || step === 1000)) {
        count();
        await daemon.end(step === 500 ? 'SIGTERM' : 'SIGKILL');
        daemon = await startIn(network, directory);
        from = versionOf(network);
      }
      if (step % 100 > 0) continue;
      if (changes + versionOf(network) - from >= wantedChanges && connections >= wantedConnections) break;
    }
    count();
    isOver = true;
    await Promise.all(load);
    let cut = 0;
    for (let i = 0; i < held; i++) if ((await network.order('r', { type: 'say', hold: i })) !== 'still here') cut++;
    const reached = (heard['a'] ?? 0) + (heard['b'] ?? 0);
    const took = Math.round(seconds());
    return { plane, changes, connections, failures: connections - reached, heard, held, cut, seconds: took };
  } finally {
    await daemon.end('SIGTERM');
    await network.close();
    rmSync(directory, { recursive: true });
  }
}

const configOf = (plane: string, path: string): string =>
  JSON.stringify({
    cluster: [{ file: { path } }],
    vips: { plane, range: '198.51.100.0/24', ipv6: false, timeouts: { drain: '10s' } },
    ...{ admin: { listen: '127.0.0.1:9099' }, workers: 1 },
  });

const versionOf = (network: Network): number =>
  (JSON.parse(network.run('h', 'curl -s http://127.0.0.1:9099/v1/status')) as { readonly version: number }).version;

interface Running {
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

async function startIn(network: Network, directory: string): Promise<Running> {
  const config = join(directory, 'isthmus.yaml');
  const child = network.spawn('h', process.execPath, [isthmus, 'run', '--config', config]);
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    const log: string[] = [];
    void gone.then(() => reject(new Error(`the daemon ended:\n${log.join('\n')}`)));
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
      log.push(line);
      if (line.includes('"msg":"ready"')) resolve();
    });
  });
  const pid = child.pid ?? 0;
  return {
    async end(signal) {
      // Children outlive a supervisor that is killed.
      const children = signal === 'SIGTERM' ? '' : readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
      for (const one of [pid, ...children.trim().split(' ').filter(Boolean).map(Number)]) process.kill(one, signal);
      await gone;
    },
  };
}
