// A fake master, the daemon in front of it, and two back ends between which one task moves.

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createPlainServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon, type RunningDaemon } from '../test/feature/daemon.ts';
import { memoryOf, processorMicroseconds, programsUnder } from './processes.ts';
import { monotonicMs, type MasterOrder, type MasterWord } from './propagation-master.ts';
import { askHttp, mostMs, openDnsProbe, whenAnswered, type DnsProbe } from './propagation-probe.ts';
import type { Burst, ColdStart, Cost, Latencies, ProcessMemory } from './propagation-report.ts';

export interface MeasuredCluster {
  readonly coldStart: ColdStart;
  memory(): ProcessMemory;
  moves(count: number): Promise<Latencies>;
  costOf(flips: number, seconds: number): Promise<Cost>;
  burst(perSecond: number, seconds: number): Promise<Burst>;
  /** Milliseconds to the first answer of a daemon that has its store alone. */
  restartWithoutMaster(): Promise<number>;
  stop(): Promise<void>;
}

const bytesPerTask = 4_000;
const ownBytesPerTask = 3_000;
const probeName = '_probe._tcp.marathon.mesos';
const vip = { address: '127.99.0.1', port: 7099 };
const patienceMs = 240_000;
/** For one move in a burst: a daemon that does not keep up is to be measured, not given up. */
const burstPatienceMs = 180_000;
/** A daemon that has waited its time for a first picture says that it is ready without one. */
const args = ['--ready-timeout', `${patienceMs / 1000}s`];

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function startCluster(tasks: number): Promise<MeasuredCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-propagation-'));
  const backEnds = [await startBackEnd(), await startBackEnd()] as const;
  const ports = backEnds.map(portOf);
  const master = await startMaster(tasks);
  const [dnsPort, httpPort] = [await freePort(), await freePort()];
  const config = (url: string): string =>
    JSON.stringify({
      cluster: [{ mesos: { masters: [url] } }],
      dns: { listen: [`127.0.0.1:${dnsPort}`], upstreams: ['127.0.0.1:9'] },
      vips: { plane: 'user', range: '127.100.0.0-127.119.255.255', ipv6: false },
      router: { http: [`127.0.0.1:${httpPort}`], groups: ['external'] },
      admin: { listen: '127.0.0.1:0' },
      store: { dir: join(directory, 'store') },
      workers: 1,
    });
  const dns = await openDnsProbe(dnsPort, '_leader._tcp.mesos');
  const startedAt = monotonicMs();
  let daemon: RunningDaemon | null = await startDaemon(config(master.url), { patienceMs, args });
  const readyMs = monotonicMs() - startedAt;
  const spent = processorOf(programsOf(daemon));
  const coldStart: ColdStart = {
    readyMs,
    blockedMs: dns.slowest().milliseconds,
    controlCpuMs: spent.control / 1000,
    workerCpuMs: spent.worker / 1000,
  };
  const watch = watchers(dns, httpPort);
  let at = 0;
  const move = async (patience = mostMs): Promise<Record<'dns' | 'vip' | 'route' | 'all', number>> => {
    const port = ports[at++ % 2] ?? 0;
    const moved = master.word('moved');
    master.order({ type: 'move', port });
    const answered = Promise.all([watch.dns(port, patience), watch.vip(port, patience), watch.route(port, patience)]);
    // Told below: it may come while the master has yet to send.
    answered.catch(() => undefined);
    const sentAt = (await moved).at;
    const times = await answered.catch((error: unknown) => {
      throw new Error(`the move was not followed; the daemon's last words:\n${lastWords(daemon)}`, { cause: error });
    });
    const [onDns, onVip, onRoute] = times.map((time) => time - sentAt) as [number, number, number];
    return { dns: onDns, vip: onVip, route: onRoute, all: Math.max(onDns, onVip, onRoute) };
  };
  const stopDaemon = async (): Promise<void> => {
    const running = daemon;
    daemon = null;
    await running?.stop();
  };
  const programs = (): Programs => programsOf(daemon);
  return {
    coldStart,
    memory: () => ({ control: memoryOf(programs().control), worker: memoryOf(programs().worker) }),
    async moves(count) {
      await move();
      dns.slowest();
      const found = { dns: [] as number[], vip: [] as number[], route: [] as number[], all: [] as number[] };
      for (let i = 0; i < count; i++) {
        const times = await move();
        for (const key of ['dns', 'vip', 'route', 'all'] as const) found[key].push(times[key]);
        await sleep(5 + (i % 7));
      }
      return { ...found, blockedMs: dns.slowest().milliseconds };
    },
    async costOf(flips, seconds) {
      const before = processorOf(programs());
      await sleep(seconds * 1000);
      const idle = processorOf(programs());
      const flipped = master.word('flipped');
      master.order({ type: 'flips', count: flips, seconds });
      const took = (await flipped).seconds;
      await sleep(500);
      const after = processorOf(programs());
      const share = (took + 0.5) / seconds;
      return {
        control: (after.control - idle.control - (idle.control - before.control) * share) / flips,
        worker: (after.worker - idle.worker - (idle.worker - before.worker) * share) / flips,
      };
    },
    async burst(perSecond, seconds) {
      dns.slowest();
      const flipped = master.word('flipped');
      master.order({ type: 'flips', count: perSecond * seconds, seconds });
      const during: number[] = [];
      let done = false;
      void flipped.then(() => (done = true));
      while (!done) {
        during.push((await move(burstPatienceMs)).all);
        await sleep(100);
      }
      const memory = { control: memoryOf(programs().control), worker: memoryOf(programs().worker) };
      const sent = (await flipped).seconds;
      const last = await move(burstPatienceMs);
      return { perSecond, seconds: sent, during, lastMs: last.all, blockedMs: dns.slowest().milliseconds, memory };
    },
    async restartWithoutMaster() {
      await stopDaemon();
      dns.forget();
      const began = monotonicMs();
      const starting = startDaemon(config('http://127.0.0.1:9'), { patienceMs, args });
      const answered = await dns.firstAnswer();
      daemon = await starting;
      return answered - began;
    },
    async stop() {
      dns.stop();
      await stopDaemon();
      master.stop();
      for (const server of backEnds) server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface Programs {
  readonly control: number;
  readonly worker: number;
}

/** Control and worker by what follows from their flags. */
function programsOf(daemon: RunningDaemon | null): Programs {
  const children = programsUnder(daemon?.child.pid ?? 0).filter(({ command }) => command.includes('child.ts'));
  const roles = new Map(children.map(({ pid }) => [roleOf(daemon, pid), pid]));
  return { control: roles.get('control') ?? 0, worker: roles.get('worker') ?? 0 };
}

const roleOf = (daemon: RunningDaemon | null, pid: number): string =>
  String(daemon?.log.find((line) => line['pid'] === pid && line['role'] !== undefined)?.['role'] ?? 'worker');

const processorOf = ({ control, worker }: Programs): Record<'control' | 'worker', number> => ({
  control: processorMicroseconds(control),
  worker: processorMicroseconds(worker),
});

/** What went wrong as the daemon tells it. */
const lastWords = (daemon: RunningDaemon | null): string =>
  (daemon?.log ?? [])
    .filter((line) => line['level'] !== 'info')
    .slice(-10)
    .map((line) => JSON.stringify(line).slice(0, 400))
    .join('\n');

type Watch = (port: number, patience: number) => Promise<number>;

function watchers(dns: DnsProbe, httpPort: number): Record<'dns' | 'vip' | 'route', Watch> {
  return {
    dns: (port, patience) => whenAnswered(() => dns.srvPort(probeName), String(port), patience),
    vip: (port, patience) => whenAnswered(() => askHttp(vip.port, 'vip.example', vip.address), String(port), patience),
    route: (port, patience) => whenAnswered(() => askHttp(httpPort, 'probe.example'), String(port), patience),
  };
}

/** Answers with its port. */
async function startBackEnd(): Promise<Server> {
  const server = createServer((_, response) => response.end(String(portOf(server))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** A port that was free a moment ago: where the daemon listens has to be known before it says so. */
async function freePort(): Promise<number> {
  const server = createPlainServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface Master {
  readonly url: string;
  order(order: MasterOrder): void;
  word<T extends MasterWord['type']>(type: T): Promise<Extract<MasterWord, { type: T }>>;
  stop(): void;
}

async function startMaster(tasks: number): Promise<Master> {
  const child: ChildProcess = fork(new URL('propagation-master.ts', import.meta.url), { execArgv: [] });
  const word: Master['word'] = (type) =>
    new Promise((resolve) => {
      const hear = (message: MasterWord): void => {
        if (message.type !== type) return;
        child.off('message', hear);
        resolve(message as Parameters<typeof resolve>[0]);
      };
      child.on('message', hear);
    });
  const listening = word('listening');
  const agents = Math.max(10, Math.round(tasks / 10));
  const shape = { agents, tasks, paddingBytes: bytesPerTask - ownBytesPerTask };
  child.send({ type: 'start', shape } satisfies MasterOrder);
  const { url } = await listening;
  return {
    url,
    order: (order) => void child.send(order),
    word,
    stop: () => child.disconnect(),
  };
}
