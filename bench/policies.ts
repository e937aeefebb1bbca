// What a pick costs by each policy, beside round robin in the same run, and whether it makes garbage.

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createLedger, policyNames, policyOf, type PolicyName } from '../lb/index.ts';
import { backendKey, type Backend } from '../src/cluster/index.ts';
import { seededRandom } from '../src/runtime/index.ts';
import { circumstances, median, table } from './results.ts';

const sizes = [3, 20, 200] as const;
const picks = 200_000;
const rounds = 5;

interface Cost {
  readonly policy: PolicyName;
  readonly backends: number;
  readonly nanoseconds: number;
  /** Of a pick with its tally, to that of round robin. */
  readonly ratio: number;
  readonly bytes: number;
}

export function run(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    process.stderr.write('usage: npm run bench -- policies\n');
    return Promise.resolve(2);
  }
  const costs = sizes.flatMap(costsOf);
  const head = ['policy', 'backends', 'ns/pick', '÷ roundrobin', 'bytes/pick'];
  const rows = costs.map(({ policy, backends, nanoseconds, ratio, bytes }) => {
    return [policy, String(backends), nanoseconds.toFixed(0), ratio.toFixed(2), bytes.toFixed(2)];
  });
  process.stdout.write(table([head, ...rows]));
  const directory = fileURLToPath(new URL('results/', import.meta.url));
  mkdirSync(directory, { recursive: true });
  const text = JSON.stringify({ name: 'policies', ...circumstances(), costs }, null, 2);
  writeFileSync(`${directory}policies.json`, `${text}\n`);
  return Promise.resolve(0);
}

/** The policies take turns in each round. */
function costsOf(count: number): readonly Cost[] {
  const runs = policyNames.map((policy) => ({ policy, measure: measured(policy, count), found: [] as Measure[] }));
  for (let round = 0; round < rounds; round++) for (const one of runs) one.found.push(one.measure());
  const of = (found: readonly Measure[], field: keyof Measure): number => median(found.map((one) => one[field]));
  const base = of(runs.find(({ policy }) => policy === 'roundrobin')?.found ?? [], 'nanoseconds');
  return runs.map(({ policy, found }) => {
    const nanoseconds = of(found, 'nanoseconds');
    return { policy, backends: count, nanoseconds, ratio: nanoseconds / base, bytes: of(found, 'bytes') };
  });
}

interface Measure {
  readonly nanoseconds: number;
  readonly bytes: number;
}

/** Four requests are under way at a time. */
function measured(policy: PolicyName, count: number): () => Measure {
  const random = seededRandom(1);
  const ledger = createLedger();
  const backends = Array.from({ length: count }, (_, i) => backendOf(i));
  const picker = policyOf({ policy }, { random, ledger })({ id: 'bench', backends }, null);
  const request = { hash: 0, tried: null };
  const open = Array.from({ length: 4 }, () => picker.started(backends[0] as Backend));
  return () => {
    const heap = process.memoryUsage().heapUsed;
    const start = process.hrtime.bigint();
    for (let i = 0; i < picks; i++) {
      request.hash = Math.imul(i, 0x9e3779b1) >>> 0;
      const tally = picker.started(picker.pick(request) as Backend);
      tally.judged('ok', 1 + (i & 3));
      open[i & 3]?.ended();
      open[i & 3] = tally;
    }
    const nanoseconds = Number(process.hrtime.bigint() - start) / picks;
    const bytes = Math.max(0, process.memoryUsage().heapUsed - heap) / picks;
    ledger.take(count);
    return { nanoseconds, bytes };
  };
}

function backendOf(i: number): Backend {
  const ip = `10.0.${i >> 8}.${i & 255}`;
  return { key: backendKey(ip, 80), ip, port: 80, task: null, weight: 1, state: 'up', zone: null };
}
