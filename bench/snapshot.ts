// A picture of a cluster that is larger than V8's longest string (512 MB), from a master that makes it while it writes it: how long
// reading takes, how long it keeps the event loop at most, and the memory.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import type { MasterOrder, MasterWord } from './propagation-master.ts';
import { keepResult, table } from './results.ts';
import type { ReaderOrder, SnapshotRead } from './snapshot-reader.ts';

/** About 4 KB a task: 50,000 are an ordinary large cluster, 150,000 are beyond what one string can hold. */
const sizes = ['50000', '150000'];
const paddingBytes = 2_000;

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { tasks: { type: 'string', multiple: true } } });
  const reads: SnapshotRead[] = [];
  for (const tasks of values.tasks ?? sizes) reads.push(await measure(Number(tasks)));
  const rows = (Object.keys(reads[0] ?? {}) as (keyof SnapshotRead)[]).map((key) => [
    key,
    ...reads.map((read) => read[key].toFixed(key === 'tasks' ? 0 : 1)),
  ]);
  process.stdout.write(table(rows));
  keepResult('snapshot', { reads });
  return 0;
}

async function measure(tasks: number): Promise<SnapshotRead> {
  const master = fork(new URL('propagation-master.ts', import.meta.url), { execArgv: [] });
  try {
    const shape = { agents: Math.round(tasks / 10), tasks, paddingBytes };
    master.send({ type: 'start', shape } satisfies MasterOrder);
    const [word] = (await once(master, 'message')) as [MasterWord];
    if (word.type !== 'listening') throw new Error(`the master says ${word.type}`);
    // As the supervisor starts control.
    const reader = fork(new URL('snapshot-reader.ts', import.meta.url), { execArgv: ['--max-semi-space-size=4'] });
    reader.send({ url: word.url, tasks } satisfies ReaderOrder);
    const [read] = await Promise.race([
      once(reader, 'message') as Promise<[SnapshotRead]>,
      once(reader, 'exit').then(([code]) => Promise.reject(new Error(`the reader ended with ${String(code)}`))),
    ]);
    return read;
  } finally {
    master.disconnect();
  }
}
