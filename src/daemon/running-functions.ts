// The functions of a worker: started together, one that cannot start costs itself alone, and what they tell of themselves.

import type { TrafficFunction } from '../ports/index.ts';
import { messageOf, type Logger } from '../runtime/index.ts';
import type { ListenerAddresses } from './message.ts';

/** A function as the worker sees it; `daemon.ts` wraps the concrete ones. */
export interface WorkerFunction {
  readonly traffic: TrafficFunction;
  listeners(): ListenerAddresses;
  /** Milliseconds that what is under way has when the daemon stops; a handover has its own. */
  readonly drainMs: number;
  /** What of it does not serve, one line each, without the function's name. */
  problems(): readonly string[];
}

export interface FunctionsReport {
  readonly listeners: ListenerAddresses;
  /** `FUNCTION: PROBLEM` */
  readonly problems: readonly string[];
  readonly serving: readonly string[];
}

export interface RunningFunctions {
  /** Starts all of them after `before`; once. Never rejects. */
  start(before: Promise<void> | null): Promise<void>;
  readonly isStarted: boolean;
  /** Each has started or failed to. */
  readonly isSettled: boolean;
  report(): FunctionsReport;
  /** `isHandover`: a successor has copies of the same sockets. */
  drain(deadlineMs: number, isHandover: boolean): Promise<void>;
  stop(): Promise<void>;
}

export function createRunningFunctions(functions: readonly WorkerFunction[], log: Logger): RunningFunctions {
  const failed = new Map<string, string>();
  const serving = new Set<string>();
  const stopped = new Set<WorkerFunction>();
  let isStarted = false;

  async function startOne({ traffic }: WorkerFunction): Promise<void> {
    try {
      await traffic.start();
      serving.add(traffic.name);
    } catch (error) {
      const reason = messageOf(error);
      failed.set(traffic.name, reason);
      log.error({ function: traffic.name, error: reason }, 'function could not start; the rest serves');
    }
  }

  /** At its own deadline, not at the longest of all; but the others look names up for as long as they have anything under way. */
  async function end(one: WorkerFunction, deadlineMs: number, isHandover: boolean): Promise<void> {
    await one.traffic.drain(isHandover ? deadlineMs : Math.min(one.drainMs, deadlineMs));
    if (isHandover || one.traffic.name === 'dns') return;
    stopped.add(one);
    await one.traffic.stop();
  }

  return {
    async start(before) {
      isStarted = true;
      await before;
      await Promise.all(functions.map(startOne));
    },
    get isStarted() {
      return isStarted;
    },
    get isSettled() {
      return serving.size + failed.size >= functions.length;
    },
    report: () => ({
      listeners: Object.assign({}, ...functions.map((one) => one.listeners())) as ListenerAddresses,
      problems: [
        ...[...failed].map(([name, reason]) => `${name}: ${reason}`),
        ...functions.flatMap((one) => one.problems().map((line) => `${one.traffic.name}: ${line}`)),
      ],
      serving: [...serving],
    }),
    async drain(deadlineMs, isHandover) {
      const handed = functions.map(({ traffic }) => (isHandover ? traffic.handOver?.() : undefined));
      await Promise.all([...functions.map((one) => end(one, deadlineMs, isHandover)), ...handed]);
    },
    async stop() {
      await Promise.all(functions.filter((one) => !stopped.has(one)).map(({ traffic }) => traffic.stop()));
    },
  };
}
