// The functions of a worker: started together, one that cannot start costs itself alone, and what they tell of themselves.

import type { TrafficFunction } from '../ports/index.ts';
import { messageOf, type AddressChange, type Logger, type OpenAddresses } from '../runtime/index.ts';
import type { ListenerChanges, ListenerGroups } from './message.ts';

/** A function as the worker sees it; `compose-worker.ts` wraps the concrete ones. */
export interface WorkerFunction {
  readonly traffic: TrafficFunction;
  /** Listeners that come and go with the tables: `vips.user` and what it has open. Null: it has none. */
  readonly listeners: { readonly key: string; readonly addresses: OpenAddresses } | null;
  /** Milliseconds that what is under way has when the daemon stops; a handover has its own. */
  readonly drainMs: number;
  /** What of it does not serve, one line each, without the function's name. */
  problems(): readonly string[];
}

export interface FunctionsReport {
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
  /** All there are, as large as the tables. */
  listeners(): ListenerGroups;
  /** What changed in them since this was asked last. */
  takeListenerChanges(): ListenerChanges;
  /** `isHandover`: a successor has copies of the same sockets. */
  drain(deadlineMs: number, isHandover: boolean): Promise<void>;
  stop(): Promise<void>;
}

export function createRunningFunctions(functions: readonly WorkerFunction[], log: Logger): RunningFunctions {
  const failed = new Map<string, string>();
  const serving = new Set<string>();
  const stopped = new Set<WorkerFunction>();
  const groups = functions.flatMap(({ listeners }) => listeners ?? []);
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
      problems: [
        ...[...failed].map(([name, reason]) => `${name}: ${reason}`),
        ...functions.flatMap((one) => one.problems().map((line) => `${one.traffic.name}: ${line}`)),
      ],
      serving: [...serving],
    }),
    listeners: () => Object.fromEntries(groups.map(({ key, addresses }) => [key, addresses.all()])),
    takeListenerChanges() {
      const changes: Record<string, AddressChange> = {};
      for (const { key, addresses } of groups) {
        const change = addresses.takeChange();
        if (change !== null) changes[key] = change;
      }
      return changes;
    },
    async drain(deadlineMs, isHandover) {
      const handed = functions.map(({ traffic }) => (isHandover ? traffic.handOver?.() : undefined));
      await Promise.all([...functions.map((one) => end(one, deadlineMs, isHandover)), ...handed]);
    },
    async stop() {
      await Promise.all(functions.filter((one) => !stopped.has(one)).map(({ traffic }) => traffic.stop()));
    },
  };
}
