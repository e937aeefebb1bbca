// DNS beside Knot: the same zone, the same questions over UDP from dnsperf, each server on the same core in turn.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../src/runtime/index.ts';
import { startDaemon } from '../test/feature/daemon.ts';
import { clusterState } from './cluster-state.ts';
import { firstLine, needPackages, pinToServerCore, processorMicroseconds, runLoad, startPeer } from './processes.ts';
import { report, type Sample } from './results.ts';

/** Eight names a task: 50,000 names. */
const apps = 6250;
const rounds = 3;
const secondsPerRound = 5;
const questionLines = 100_000;

interface Target {
  readonly server: string;
  readonly pid: number;
  readonly port: number;
}

export async function run(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    process.stderr.write('usage: npm run bench -- dns\n');
    return 2;
  }
  needPackages({ dnsperf: 'dnsperf', knotd: 'knot', taskset: 'util-linux' });
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  try {
    return await compare(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function compare(directory: string): Promise<number> {
  const state = join(directory, 'state.json');
  writeFileSync(state, JSON.stringify(clusterState({ apps, instances: 1 })));
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path: state } }],
      dns: { listen: ['127.0.0.1:0'], http: null },
      admin: { listen: '127.0.0.1:0' },
      workers: 0,
    }),
  );
  try {
    const records = (await daemon.get('/v1/zone')).split('\n').filter((line) => /^\S+\.mesos\. |^mesos\. /.test(line));
    const names = new Set(records.map((line) => line.slice(0, line.indexOf(' '))));
    const questions = join(directory, 'questions');
    writeFileSync(questions, questionsAbout([...names]));
    const knotPort = daemon.port('dns') - 1;
    const knot = startPeer('knotd', ['-c', knotConfig(directory, records, knotPort)]);
    try {
      pinToServerCore(daemon.ready.pid);
      const targets: readonly Target[] = [
        { server: 'isthmus', pid: daemon.ready.pid, port: daemon.port('dns') },
        { server: 'knot', pid: knot.pid, port: knotPort },
      ];
      const samples = await measure(targets, questions);
      const versions = { knot: firstLine('knotd', '--version'), dnsperf: dnsperfVersion() };
      report('dns', 'query', ['isthmus', 'knot'], samples, { versions, names: names.size, questions: mix });
      return 0;
    } finally {
      await knot.stop();
    }
  } finally {
    await daemon.stop();
  }
}

const dnsperfVersion = (): string =>
  /Version (\S+)/.exec(firstLine('sh', '-c', 'dnsperf -h 2>&1 | tr "\\n" " "'))?.[1] ?? '';

const mix = 'six A, two SRV, one AAAA without data and one name that is not there in ten';

function questionsAbout(names: readonly string[]): string {
  const random = seededRandom(1);
  const services = names.filter((name) => name.startsWith('_'));
  const hosts = names.filter((name) => !name.startsWith('_') && name.split('.').length > 3);
  const one = (from: readonly string[]): string => from[Math.floor(random() * from.length)] as string;
  const lines = Array.from({ length: questionLines }, (_, i) => {
    const kind = i % 10;
    if (kind < 6) return `${one(hosts)} A`;
    if (kind < 8) return `${one(services)} SRV`;
    return kind === 8 ? `${one(hosts)} AAAA` : `nosuch-${i}.marathon.mesos. A`;
  });
  return `${lines.join('\n')}\n`;
}

/** Writes zone and configuration; one worker, as there is one core. */
function knotConfig(directory: string, records: readonly string[], port: number): string {
  writeFileSync(join(directory, 'mesos.zone'), `${records.join('\n')}\n`);
  const path = join(directory, 'knot.conf');
  writeFileSync(
    path,
    `server:
    rundir: ${directory}
    listen: 127.0.0.1@${port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: ${directory}
zone:
  - domain: mesos
    storage: ${directory}
    file: mesos.zone
    zonefile-sync: -1
    journal-content: none
`,
  );
  return path;
}

/** A B A B …, after a short warming of each. */
async function measure(targets: readonly Target[], questions: string): Promise<readonly Sample[]> {
  for (const target of targets) await load(target, questions, 2);
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) {
      const sample = await load(target, questions, secondsPerRound);
      process.stderr.write(`${sample.server}: ${sample.microsecondsPerUnit.toFixed(2)} µs, ${sample.units} queries\n`);
      samples.push(sample);
    }
  }
  return samples;
}

async function load({ server, pid, port }: Target, questions: string, seconds: number): Promise<Sample> {
  const before = processorMicroseconds(pid);
  const output = await runLoad(
    'dnsperf',
    ['-s', '127.0.0.1', '-p', String(port), '-d', questions, '-l', String(seconds), '-q', '100', '-c', '10', '-t', '2'],
    seconds + 20,
  );
  const used = processorMicroseconds(pid) - before;
  const figure = (pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? Number.NaN);
  const units = figure(/Queries completed:\s+(\d+)/);
  if (!(units > 0)) throw new Error(`${server} answered nothing: ${output}`);
  return {
    server,
    units,
    failures: figure(/Queries lost:\s+(\d+)/),
    microsecondsPerUnit: used / units,
    unitsPerSecond: figure(/Queries per second:\s+([\d.]+)/),
    meanMilliseconds: figure(/Average Latency \(s\):\s+([\d.]+)/) * 1000,
  };
}
