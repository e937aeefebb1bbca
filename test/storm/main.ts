// `npm run storm -- --seconds N --seed N`: makes trouble for a running daemon and watches that its promises hold.

import { parseArgs } from 'node:util';
import { complaintsOf, printReport } from './report.ts';
import { runStorm } from './storm.ts';

const usage = 'usage: npm run storm -- --seconds N --seed N [--workers N] [--rate PART]\n';
const leastSeconds = 20;

process.exitCode = await main();

async function main(): Promise<number> {
  const wanted = read();
  if (wanted === null) {
    process.stderr.write(usage);
    return 2;
  }
  const { seconds, seed, workers, rate } = wanted;
  process.stdout.write(`storm of ${seconds} s, seed ${seed}, ${workers} workers\n`);
  const report = await runStorm({
    seconds,
    seed,
    workers,
    rate,
    say: (line) => void process.stdout.write(`${line}\n`),
  });
  const complaints = complaintsOf(report);
  process.stdout.write(`\n${printReport(report)}\n\n`);
  for (const complaint of complaints) process.stdout.write(`✗ ${complaint}\n`);
  const again = `npm run storm -- --seconds ${seconds} --seed ${seed}${rate === 1 ? '' : ` --rate ${rate}`}`;
  process.stdout.write(complaints.length === 0 ? `weathered: ${again}\n` : `not weathered; again: ${again}\n`);
  return complaints.length === 0 ? 0 : 1;
}

interface Wanted {
  readonly seconds: number;
  readonly seed: number;
  readonly workers: number;
  readonly rate: number;
}

function read(): Wanted | null {
  const text = { type: 'string' } as const;
  const parsed = ((): Readonly<Record<string, string | undefined>> | null => {
    try {
      return parseArgs({ options: { seconds: text, seed: text, workers: text, rate: text } }).values;
    } catch {
      return null;
    }
  })();
  if (parsed === null) return null;
  const { seconds = '600', seed = String(Date.now() % 1_000_000), workers = '2', rate = '1' } = parsed;
  const numbers = { seconds: Number(seconds), seed: Number(seed), workers: Number(workers) };
  const areGood =
    Object.values(numbers).every(Number.isSafeInteger) && numbers.seconds >= leastSeconds && numbers.workers > 0;
  const part = Number(rate);
  return areGood && part > 0 && part <= 1 ? { ...numbers, rate: part } : null;
}
