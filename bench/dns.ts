// DNS beside Knot, NSD and dnsmasq: the same zone, the same questions from dnsperf over UDP and TCP, each server on the same core in
// turn; and a zone of 50,000 names beside one of ten.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon, type RunningDaemon } from '../test/feature/daemon.ts';
import { clusterState } from './cluster-state.ts';
import { dnsperfVersion, measure, mix, questionsAbout, type Target } from './dns-load.ts';
import { peerPlans } from './dns-peers.ts';
import { needPackages, pinToServerCore } from './processes.ts';
import { report } from './results.ts';

/** Eight names a task: 50,000 names, and about ten. */
const manyApps = 6250;
const fewApps = 1;
const rounds = 3;
const secondsPerRound = 3;

interface Served {
  readonly daemon: RunningDaemon;
  readonly directory: string;
  readonly records: readonly string[];
  readonly names: number;
  /** File for dnsperf. */
  readonly questions: string;
}

export async function run(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    process.stderr.write('usage: npm run bench -- dns\n');
    return 2;
  }
  const peers = Object.fromEntries(peerPlans.map((plan) => [plan.program, plan.package]));
  needPackages({ dnsperf: 'dnsperf', taskset: 'util-linux', ...peers });
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const many = await serve(join(directory, 'many'), manyApps, closing);
    const few = await serve(join(directory, 'few'), fewApps, closing);
    return await compare(many, few, closing);
  } finally {
    for (const close of closing.reverse()) await close();
    rmSync(directory, { recursive: true });
  }
}

async function serve(directory: string, apps: number, closing: (() => Promise<unknown>)[]): Promise<Served> {
  mkdirSync(directory);
  const state = join(directory, 'state.json');
  writeFileSync(state, JSON.stringify(clusterState({ apps, instances: 1 })));
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path: state } }],
      dns: { listen: ['127.0.0.1:0'], http: null },
      admin: { listen: '127.0.0.1:0' },
      workers: 0,
    }),
    { patienceMs: 60_000 },
  );
  closing.push(() => daemon.stop());
  pinToServerCore(daemon.ready.pid);
  const records = (await daemon.get('/v1/zone')).split('\n').filter((line) => /^\S+\.mesos\. |^mesos\. /.test(line));
  const names = new Set(records.map((line) => line.slice(0, line.indexOf(' '))));
  const questions = join(directory, 'questions');
  writeFileSync(questions, questionsAbout([...names]));
  return { daemon, directory, records, names: names.size, questions };
}

async function compare(many: Served, few: Served, closing: (() => Promise<unknown>)[]): Promise<number> {
  const ours = (server: string, { daemon, questions }: Served, transport: 'udp' | 'tcp'): Target => ({
    server,
    pid: daemon.ready.pid,
    port: daemon.port('dns'),
    questions,
    transport,
  });
  const udp: Target[] = [ours('isthmus', many, 'udp')];
  const tcp: Target[] = [ours('isthmus', many, 'tcp')];
  for (const [i, plan] of peerPlans.entries()) {
    const port = many.daemon.port('dns') - 1 - i;
    const peer = plan.start(many.directory, many.records, port);
    closing.push(() => peer.stop());
    const target = { server: plan.server, pid: peer.pid, port, questions: many.questions, transport: 'udp' } as const;
    udp.push(target);
    // dnsmasq makes a process for each connection, which ends with what it used.
    if (plan.server !== 'dnsmasq') tcp.push({ ...target, transport: 'tcp' });
  }
  const tenNames = ours('isthmus, few names', few, 'udp');
  const versions = Object.fromEntries(peerPlans.map(({ server, version }) => [server, version()]));
  const more = {
    versions: { ...versions, dnsperf: dnsperfVersion() },
    names: many.names,
    fewNames: few.names,
    questions: mix,
    load: `dnsperf, 100 queries under way over 10 sockets, ${rounds} rounds of ${secondsPerRound} s each in turn`,
  };
  const results = [
    report('dns', 'query', await measure([...udp, tenNames], rounds, secondsPerRound), more),
    report('dns-tcp', 'query', await measure(tcp, rounds, secondsPerRound), more),
  ];
  const lost = results.flatMap(({ samples }) => samples).filter(isLossOfOurs);
  if (lost.length > 0) process.stderr.write('isthmus lost queries\n');
  return lost.length === 0 ? 0 : 1;
}

const isLossOfOurs = ({ server, failures }: { readonly server: string; readonly failures: number }): boolean =>
  server.startsWith('isthmus') && failures > 0;
