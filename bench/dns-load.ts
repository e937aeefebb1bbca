// The load of DNS: questions about a zone's names, put by dnsperf, and what they cost the server.

import { seededRandom } from '../src/runtime/index.ts';
import { firstLine, processorMicroseconds, runLoad } from './processes.ts';
import type { Sample } from './results.ts';

export interface Target {
  readonly server: string;
  readonly pid: number;
  readonly port: number;
  readonly questions: string;
  readonly transport: 'udp' | 'tcp';
}

export const dnsperfVersion = (): string =>
  /Version (\S+)/.exec(firstLine('sh', '-c', 'dnsperf -h 2>&1 | tr "\\n" " "'))?.[1] ?? '';

export const mix = 'six A, two SRV, one AAAA without data and one name that is not there in ten';

const questionLines = 100_000;

export function questionsAbout(names: readonly string[]): string {
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

/** A B C A B C …, after a short warming of each. */
export async function measure(targets: readonly Target[], rounds: number, seconds: number): Promise<readonly Sample[]> {
  for (const target of targets) await load(target, 2);
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) {
      const sample = await load(target, seconds);
      process.stderr.write(`${sample.server}: ${sample.microsecondsPerUnit.toFixed(2)} µs, ${sample.units} queries\n`);
      samples.push(sample);
    }
  }
  return samples;
}

async function load({ server, pid, port, questions, transport }: Target, seconds: number): Promise<Sample> {
  const before = processorMicroseconds(pid);
  const size = ['-l', String(seconds), '-q', '100', '-c', '10', '-t', '2'];
  const where = ['-s', '127.0.0.1', '-p', String(port), '-m', transport, '-d', questions];
  const output = await runLoad('dnsperf', [...where, ...size], seconds + 20);
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
