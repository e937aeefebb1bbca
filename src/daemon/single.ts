// The daemon in one process (`workers: 0`): control and worker joined in memory. For development and tests: one loop does everything, so
// a big snapshot delays traffic, and a reload closes the listeners for a moment.

import { readFileSync } from 'node:fs';
import type { Commands } from '../../lb/index.ts';
import { createMetrics, messageOf, type Clock, type Logger, type Random } from '../runtime/index.ts';
import { memoryChannels } from './channel.ts';
import { parseConfig, type Config } from './config/index.ts';
import { startControl, type Control } from './control.ts';
import { composeWorker } from './compose-worker.ts';
import { longestDrainMs } from './drain-deadlines.ts';
import { openSocket } from './inherit.ts';
import { liveChange } from './live-change.ts';
import { planListeners, workerCount } from './listener-plan.ts';
import { openCommands } from './kernel-commands.ts';
import type { ControlMessage, WorkerMessage } from './message.ts';
import { dropPrivileges, handOver } from './privileges.ts';
import type { RunningDaemon } from './run-daemon.ts';
import { bindAll, formatAddress, type BoundPlan, type ListenerPlan } from './sockets.ts';
import { chooseVipPlane, retireKernelPlane } from './vip-plane.ts';
import { createWorker, type Worker } from './worker.ts';

export interface SingleOptions {
  readonly config: Config;
  readonly configFile: string;
  readonly readyTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Running {
  readonly control: Control;
  readonly worker: Worker;
}

export async function startSingle(options: SingleOptions): Promise<RunningDaemon> {
  const daemon = new SingleProcess(options);
  await daemon.begin();
  return daemon;
}

class SingleProcess implements RunningDaemon {
  readonly exited: Promise<number>;
  readonly #options: SingleOptions;
  #running: Running | null = null;
  #config: Config;
  #generation = 0;
  #bound: readonly BoundPlan[] = [];
  #commands: Commands | null = null;
  #stopping = false;
  #changing: Promise<void> = Promise.resolve();
  #exit: (code: number) => void = () => undefined;

  constructor(options: SingleOptions) {
    this.#options = options;
    this.#config = options.config;
    this.exited = new Promise((resolve) => (this.#exit = resolve));
  }

  async begin(): Promise<void> {
    this.#running = await this.#start(this.#options.config);
    const { user, store } = this.#options.config;
    dropPrivileges(user, this.#options.log, (account) => {
      if (store?.kind === 'file') handOver(store.dir, account, this.#options.log);
    });
  }

  stop(): void {
    if (this.#stopping) {
      this.#exit(0);
      return;
    }
    this.#stopping = true;
    const drainMs = longestDrainMs(this.#config);
    this.#options.log.info({ drainMs }, 'draining');
    void this.#end(drainMs).then(() => this.#exit(0));
  }

  reload(): void {
    const { configFile, log } = this.#options;
    const { config, problems } = readConfig(configFile);
    for (const { line, path, message, remedy } of problems)
      log.error({ file: configFile, line, path, remedy }, message);
    if (config === null || workerCount(config) !== 0) {
      const why = config === null ? 'configuration has mistakes' : 'another process model needs a restart';
      log.error({ file: configFile }, `${why}; the running configuration stays`);
      return;
    }
    this.#changing = this.#changing.then(async () => {
      const change = liveChange(this.#config, config);
      this.#config = config;
      if (change !== null && this.#running !== null) {
        const edition = ++this.#generation;
        this.#running.worker.reconfigure(edition, change);
        this.#running.control.expect(edition);
        return;
      }
      await this.#end(1_000);
      this.#running = await this.#start(config);
    });
  }

  upgrade(): void {
    this.#options.log.error({}, 'workers: 0 runs in one process and cannot start new code beside itself: restart it');
  }

  reopenLogs(): void {
    this.#running?.control.reopenLogs();
  }

  async #start(config: Config): Promise<Running> {
    const { clock, random, log } = this.#options;
    const generation = ++this.#generation;
    const { bound, failures } = await bindAll(this.#samePorts(planListeners(config)), openSocket);
    this.#bound = bound;
    for (const failure of failures) log.error({ listener: failure.key }, failure.reason);
    // Once for all: after the privileges are dropped there is no other.
    const commands = (this.#commands ??= openCommands(config.vips === null ? null : config.user, log, () => undefined));
    const vipPlane = await chooseVipPlane(config, commands, log);
    await retireKernelPlane(vipPlane, commands, log);
    const metrics = createMetrics();
    const addresses = bound.map((socket) => formatAddress(socket.host, socket.boundPort));
    const sockets = bound.filter((socket) => socket.role === 'worker');
    const parts = composeWorker({
      config,
      sockets,
      addresses,
      vipPlane: vipPlane.plane,
      shared: false,
      clock,
      random,
      log,
      metrics,
    });
    const worker = createWorker({
      ...parts,
      onBusy: () => undefined,
      slot: 0,
      generation,
      edition: generation,
      clock,
      random,
      log,
      metrics,
    });
    const control = await startControl({
      ...this.#options,
      config,
      vipPlane,
      commands,
      generation,
      edition: generation,
      respawned: false,
      servesAlready: false,
      workers: 1,
      sockets: bound,
      failures,
      metrics: createMetrics(),
      onReady: () => undefined,
      onPicture: () => undefined,
      onHopeless: () => void this.#end(0).then(() => this.#exit(1)),
      reload: () => this.reload(),
    });
    const [controlEnd, workerEnd] = memoryChannels<ControlMessage, WorkerMessage>();
    control.addWorker(controlEnd);
    worker.attach(workerEnd);
    return { control, worker };
  }

  /** A port that the kernel chose stays over a reload: clients know it by now. */
  #samePorts(plans: readonly ListenerPlan[]): readonly ListenerPlan[] {
    const isSame = (plan: ListenerPlan, bound: BoundPlan): boolean =>
      plan.port === 0 && plan.key === bound.key && plan.index === bound.index && plan.host === bound.host;
    return plans.map((plan) => {
      const former = this.#bound.find((bound) => isSame(plan, bound));
      return former === undefined ? plan : { ...plan, port: former.boundPort };
    });
  }

  async #end(drainMs: number): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    running.control.turnUnready();
    await running.worker.drain(drainMs, false);
    await running.worker.stop();
    await running.control.stop();
  }
}

function readConfig(file: string): ReturnType<typeof parseConfig> {
  try {
    return parseConfig(readFileSync(file, 'utf8'), file);
  } catch (error) {
    return {
      config: null,
      problems: [
        {
          line: 1,
          column: 1,
          path: '',
          message: messageOf(error),
          remedy: 'make the file readable',
          severity: 'error',
        },
      ],
    };
  }
}
