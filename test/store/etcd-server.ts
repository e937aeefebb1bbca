// A real etcd for tests, on a loopback address of its own, which it keeps over restarts.

import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createEtcdClient } from '../../src/store/index.ts';
import { systemClock } from '../../src/runtime/index.ts';
import { eventually } from '../feature/cluster.ts';
import { freeBlock } from '../free-block.ts';

export interface EtcdServer {
  readonly url: string;
  /** Waits until it answers. */
  start(): Promise<void>;
  kill(): Promise<void>;
  /** It lives on without a word, or speaks again; resolves when none of its threads runs any more. */
  pause(): Promise<void>;
  resume(): void;
}

/** `tls`: flags of etcd that name files. */
export async function startEtcd(directory: string, tls: readonly string[] = []): Promise<EtcdServer> {
  const host = `127.${await freeBlock(2379)}.0.1`;
  const url = `${tls.length > 0 ? 'https' : 'http'}://${host}:2379`;
  const peers = `http://${host}:2380`;
  const peering = ['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers];
  const flags = ['--data-dir', directory, '--listen-client-urls', url, '--advertise-client-urls', url, ...peering];
  const cluster = ['--initial-cluster', `default=${peers}`, '--logger=zap', '--log-outputs=stderr'];
  let child: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    const program = spawn('etcd', [...flags, ...cluster, ...tls], { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    program.stderr.on('data', (text: Buffer) => (log += text.toString()));
    child = program;
    await eventually(
      'etcd serves',
      60_000,
      () => Promise.resolve(log),
      (text) => /serving client traffic/.test(text),
    );
  };
  await start();
  return {
    url,
    start,
    async kill() {
      const program = child;
      child = null;
      if (program === null) return;
      const gone = new Promise((resolve) => program.once('exit', resolve));
      program.kill('SIGKILL');
      await gone;
    },
    async pause() {
      child?.kill('SIGSTOP');
      while (runsStill(child?.pid ?? 0)) await new Promise((wake) => setTimeout(wake, 10));
    },
    resume: () => void child?.kill('SIGCONT'),
  };
}

/** What an operator does with etcdctl. */
export async function order(url: string, path: string, body: object): Promise<void> {
  const client = createEtcdClient({ endpoints: [url] }, systemClock);
  await client.call(path, body);
  await client.close();
}

/** proc(5), `stat` of each thread: the state follows the name in brackets. */
const runsStill = (pid: number): boolean =>
  readdirSync(`/proc/${pid}/task`).some(
    (thread) => !/\) [tT] /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1')),
  );
