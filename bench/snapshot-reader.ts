// Reads one picture of a cluster as control does, in a process of its own so that the memory is its own, and tells what it took.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { emptySnapshot, reduce } from '../src/cluster/index.ts';
import { createMesosOrchestrator, mergeOrchestrators } from '../src/orchestrator/index.ts';
import { open } from '../src/orchestrator/mesos/call.ts';
import { createMetrics, seededRandom, silentLogger, systemClock } from '../src/runtime/index.ts';

export interface ReaderOrder {
  readonly url: string;
  readonly tasks: number;
}

/** What reading took. */
export interface SnapshotRead {
  readonly tasks: number;
  /** Of the socket on which the picture came. */
  readonly megabytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Longest turns of the event loop, in milliseconds: while bytes were read and decoded, and while the picture was folded. */
  readonly readTurnMs: number;
  readonly foldTurnMs: number;
  /** Resident at most, and what is held at the end. */
  readonly peakMegabytes: number;
  readonly heapMegabytes: number;
}

const mebibyte = 1024 * 1024;
const nanosecondsPerMs = 1e6;

if (process.send !== undefined && import.meta.main)
  process.once('message', (order: ReaderOrder) => {
    void readSnapshot(order).then((read) => process.send?.(read, () => process.exit(0)));
  });

/** Resolves when all tasks of the master at `url` are in the snapshot; rejects where it holds another number. */
async function readSnapshot({ url, tasks }: ReaderOrder): Promise<SnapshotRead> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const snapshot = emptySnapshot();
  let received = (): number => 0;
  const mesos = createMesosOrchestrator({
    masters: [url],
    recordBytes: 4096 * mebibyte,
    open: async (call) => {
      const response = await open(call);
      const { socket } = response;
      const earlier = received();
      received = () => earlier + socket.bytesRead;
      return response;
    },
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    metrics: createMetrics(),
  });
  const stopping = new AbortController();
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  let readTurnMs: number | null = null;
  delay.enable();
  for await (const events of mergeOrchestrators([mesos], { clock: systemClock, inferApps: true }).watch(
    stopping.signal,
  )) {
    if (events.some(({ type }) => type === 'resync') && readTurnMs === null) {
      readTurnMs = delay.max / nanosecondsPerMs;
      delay.reset();
    }
    for (const event of events) reduce(snapshot, event);
    if (snapshot.synced) break;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const spent = process.cpuUsage(cpu);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const foldTurnMs = delay.max / nanosecondsPerMs;
  stopping.abort();
  if (snapshot.tasks.size !== tasks) throw new Error(`${snapshot.tasks.size} tasks of ${tasks} were read`);
  return {
    tasks,
    megabytes: received() / mebibyte,
    seconds,
    cpuSeconds: (spent.user + spent.system) / 1e6,
    readTurnMs: readTurnMs ?? 0,
    foldTurnMs,
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    heapMegabytes: process.memoryUsage().heapUsed / mebibyte,
  };
}
