// Supervisor: binds the sockets and holds them for ever, starts control and workers on their descriptors, replaces what dies or stalls,
// and brings up a new generation beside the old one for a reload or an upgrade. Carries no traffic and knows no cluster.

import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { directCommands } from '../../lb/index.ts';
import { messageOf, type Clock, type Logger, type Random } from '../runtime/index.ts';
import { parseConfig, type Config } from './config/index.ts';
import { longestDrainMs } from './drain-deadlines.ts';
import { liveChange, type LiveChange } from './live-change.ts';
import { planListeners, workerCount, workerMemoryBytes } from './listener-plan.ts';
import type { Notices } from './notices.ts';
import { migrateRequests, opensOwnListeners } from './migrate-requests.ts';
import { spawnOffspring, type Offspring } from './offspring.ts';
import { directoryPrefix, drainOrphans, findOrphans, isOrphanAlive, markDirectory, type Orphan } from './orphans.ts';
import type { PassedSockets } from './passed-sockets.ts';
import { accountToTake } from './privileges.ts';
import { bindAll, formatAddress, holdSocket, type BindFailure, type HeldSocket, type ListenerPlan } from './sockets.ts';
import { chooseVipPlane, retireKernelPlane, type VipPlaneChoice } from './vip-plane.ts';

/** How long workers of a former generation may take to end, and of how many generations. */
const longestHandoverMs = 24 * 3_600_000;
const mostFormer = 8;
/** How long addresses that orphans hold are waited for, and how often they are tried. */
const orphansMs = 40_000;
const bindEveryMs = 100;

export interface SupervisorOptions {
  readonly config: Config;
  readonly configText: string;
  readonly configFile: string;
  readonly readyTimeoutMs: number;
  /** Bound before the start by whoever started this process. */
  readonly passed: PassedSockets;
  readonly notices: Notices;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface Supervisor {
  /** The exit code, once everything has ended. */
  readonly exited: Promise<number>;
  stop(): void;
  reload(): void;
  upgrade(): void;
  reopenLogs(): void;
}

/** A configuration without mistakes, and the text that it was read from. */
interface Accepted {
  readonly config: Config;
  readonly text: string;
}

interface Generation {
  readonly number: number;
  readonly control: Offspring;
  readonly workers: readonly Offspring[];
  readonly vipPlane: VipPlaneChoice;
}

export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const supervisor = new Keeper(options);
  await supervisor.begin();
  return supervisor;
}

class Keeper implements Supervisor {
  readonly exited: Promise<number>;
  readonly #options: SupervisorOptions;
  readonly #directory = mkdtempSync(join(tmpdir(), directoryPrefix));
  readonly #held = new Map<string, HeldSocket>();
  /** Of the generation that serves. */
  #running: Accepted;
  #generation = 0;
  /** All whose processes may live: the current one, one that starts, one that drains. */
  readonly #generations = new Set<Generation>();
  /** Those whose workers have connections left. */
  readonly #former = new Set<Generation>();
  #current: Generation | null = null;
  #changing: Promise<void> = Promise.resolve();
  #orphans: readonly Orphan[] = [];
  #stopping = false;
  #exit: (code: number) => void = () => undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#running = { config: options.config, text: options.configText };
    this.exited = new Promise((resolve) => (this.#exit = resolve));
  }

  async begin(): Promise<void> {
    this.#takeOver();
    this.#current = await this.#spawnGeneration(1, this.#running);
    void this.#current.control.ready.then(() => this.#tellServing('serves'));
  }

  /** Of a daemon whose supervisor died: its processes are told to drain, and what they listen on is waited for. */
  #takeOver(): void {
    const { configFile, config, log } = this.#options;
    const own = [process.getuid?.() ?? 0, accountToTake(config.user)?.uid ?? []].flat();
    this.#orphans = findOrphans(configFile, new Set(own));
    markDirectory(this.#directory, configFile);
    if (this.#orphans.length === 0) return;
    const pids = this.#orphans.map(({ pid }) => pid);
    log.warn({ orphans: pids }, 'processes of a daemon whose supervisor died serve still: they are told to drain');
    drainOrphans(this.#orphans, log);
  }

  stop(): void {
    if (this.#stopping) {
      this.#options.log.warn({}, 'second signal: ending now');
      this.#finish(0, 0);
      return;
    }
    this.#stopping = true;
    const drainMs = longestDrainMs(this.#running.config);
    this.#options.log.info({ drainMs }, 'draining');
    this.#finish(0, drainMs);
  }

  reopenLogs(): void {
    for (const child of this.#children()) child.reopen();
  }

  reload(): void {
    this.#options.notices.reloading('reads its configuration again');
    const accepted = this.#readConfig();
    if (accepted === null) this.#tellServing('reload refused, see the log');
    else this.#replaceGeneration('reload', accepted);
  }

  /** Null, and said why: what runs stays. */
  #readConfig(): Accepted | null {
    const { configFile, log } = this.#options;
    let text: string;
    try {
      text = readFileSync(configFile, 'utf8');
    } catch (error) {
      log.error({ file: configFile, error: messageOf(error) }, 'configuration cannot be read; the running one stays');
      return null;
    }
    const { config, problems } = parseConfig(text, configFile);
    for (const { line, path, message, remedy } of problems)
      log.error({ file: configFile, line, path, remedy }, message);
    if (config === null) {
      log.error({ file: configFile, problems: problems.length }, 'configuration has mistakes; the running one stays');
      return null;
    }
    if (workerCount(config) === 0) {
      log.error({ file: configFile }, 'workers: 0 needs a restart; the running configuration stays');
      return null;
    }
    return { config, text };
  }

  /** `how`: `serves`, and what came of the last change. */
  #tellServing(how: string): void {
    if (!this.#stopping) this.#options.notices.ready(`${how}; generation ${this.#generation}`);
  }

  upgrade(): void {
    this.#options.notices.reloading('starts new processes');
    this.#replaceGeneration('upgrade', this.#readConfig());
  }

  /** `wanted` null: the configuration that runs by then. An upgrade is from the code on disk, so nothing is changed in place. */
  #replaceGeneration(why: 'reload' | 'upgrade', wanted: Accepted | null): void {
    this.#changing = this.#changing.then(async () => {
      const isDone = await this.#replace(why, wanted).catch((error: unknown) => {
        this.#options.log.error(
          { error: messageOf(error) },
          `${why}: no new generation can be started; the former one stays`,
        );
        this.#letGoOfSockets();
        return false;
      });
      this.#tellServing(isDone ? 'serves' : `${why} failed, see the log; serves as before`);
    });
  }

  async #replace(why: 'reload' | 'upgrade', wanted: Accepted | null): Promise<boolean> {
    const former = this.#current;
    if (former === null || this.#stopping) return false;
    const accepted = wanted ?? this.#running;
    const change = why === 'upgrade' ? null : liveChange(this.#running.config, accepted.config);
    if (change !== null && (await this.#changeInPlace(former, accepted, change))) return true;
    if (this.#stopping) return false;
    this.#options.log.info({ generation: this.#generation + 1 }, `${why}: a new generation starts`);
    const next = await this.#spawnGeneration(this.#generation + 1, accepted);
    const failure = await this.#failureOf(next);
    const isReady = failure === null;
    if (this.#stopping) return false;
    if (!isReady) {
      this.#options.log.error(
        { generation: next.number, reason: failure },
        `${why}: the new generation does not become ready and ends; the former one stays`,
      );
      await this.#drain(next, 0);
    } else {
      this.#current = next;
      this.#running = accepted;
      this.#options.log.info({ generation: next.number }, `${why}: the new generation serves, the former one drains`);
      await former.control.drain(longestDrainMs(this.#running.config), true);
      this.#letEnd(former);
      // The former generation kept its ruleset until now.
      await retireKernelPlane(next.vipPlane, directCommands, this.#options.log);
    }
    this.#letGoOfSockets();
    return isReady;
  }

  /** False: not all processes have taken it in time. */
  async #changeInPlace(current: Generation, accepted: Accepted, change: LiveChange): Promise<boolean> {
    const edition = ++this.#generation;
    this.#running = accepted;
    this.#options.log.info({ generation: edition }, 'reload: the running processes take the change');
    for (const child of childrenOf(current)) child.reconfigure(accepted.text, { type: 'reconfigure', edition, change });
    if ((await this.#failureOf(current)) === null) return true;
    this.#options.log.error({ generation: edition }, 'reload: a running process has not taken the change in time');
    return false;
  }

  /** What no generation listens on any more must refuse connections, not queue them. */
  #letGoOfSockets(): void {
    const wanted = new Set(this.#stopping ? [] : planListeners(this.#running.config).map(idOf));
    for (const [id, socket] of this.#held) {
      if (wanted.has(id)) continue;
      this.#held.delete(id);
      socket.close();
    }
  }

  /** Why it does not become ready: a process of it fails again and again, or time is over. Null: it is. */
  async #failureOf(generation: Generation): Promise<string | null> {
    const { clock, readyTimeoutMs } = this.#options;
    return new Promise((resolve) => {
      const timeout = clock.after(readyTimeoutMs, () => resolve(`not ready within ${readyTimeoutMs} ms`));
      const settle = (failure: string | null): void => {
        timeout.cancel();
        resolve(failure);
      };
      void generation.control.ready.then(() => settle(null));
      for (const child of childrenOf(generation)) void child.failing.then(settle);
    });
  }

  async #spawnGeneration(number: number, { config, text }: Accepted): Promise<Generation> {
    this.#generation = number;
    const { sockets, failures } = await this.#bind(planListeners(config));
    const vipPlane = await chooseVipPlane(config, directCommands, this.#options.log);
    if (this.#current === null) await retireKernelPlane(vipPlane, directCommands, this.#options.log);
    if (opensOwnListeners(config, vipPlane.plane)) migrateRequests(this.#options.log);
    const account = accountToTake(config.user);
    if (account !== null) chownSync(this.#directory, account.uid, account.gid);
    const workers = workerCount(config);
    const addresses = sockets.map((socket) => formatAddress(socket.host, socket.boundPort));
    const child = (role: 'control' | 'worker', slot: number): Offspring =>
      spawnOffspring({
        ...this.#options,
        drainMs: longestDrainMs(config),
        memoryBytes: role === 'worker' ? workerMemoryBytes(config) : 0,
        init: {
          role,
          slot,
          workers,
          failures,
          addresses,
          vipPlane,
          servesAlready: this.#current?.control.hasPicture ?? false,
          generation: number,
          edition: number,
          configText: text,
          configFile: this.#options.configFile,
          readyTimeoutMs: this.#options.readyTimeoutMs,
          directory: this.#directory,
        },
        sockets: role === 'control' ? sockets : sockets.filter((socket) => socket.role === role),
        // A generation that only starts must not take the serving one with it.
        onReload: () => this.reload(),
        onHopeless: () => (this.#current === null || this.#current.number === number ? this.#finish(1, 0) : undefined),
      });
    const started = Array.from({ length: workers }, (_, slot) => child('worker', slot));
    const generation = { number, vipPlane, workers: started, control: child('control', 0) };
    this.#generations.add(generation);
    // Told to stop while the sockets were bound: whoever ended the others did not see these.
    if (this.#stopping) for (const process of childrenOf(generation)) process.kill();
    return generation;
  }

  /** Binds what is not held yet; a socket stays held for as long as the process lives, used or not. */
  async #bind(
    plans: readonly ListenerPlan[],
  ): Promise<{ readonly sockets: readonly HeldSocket[]; readonly failures: readonly BindFailure[] }> {
    const absent = plans.filter((plan) => !this.#held.has(idOf(plan)));
    for (const [plan, socket] of this.#options.passed.claim(absent)) this.#held.set(idOf(plan), socket);
    const missing = absent.filter((plan) => !this.#held.has(idOf(plan)));
    const { bound, failures } = await this.#bindBesideOrphans(missing);
    for (const socket of bound) this.#held.set(idOf(socket), socket);
    for (const failure of failures) this.#options.log.error({ listener: failure.key }, failure.reason);
    const sockets = plans.flatMap((plan) => {
      const held = this.#held.get(idOf(plan));
      return held === undefined ? [] : [{ ...held, ...plan, host: held.host }];
    });
    return { sockets, failures };
  }

  /** Whoever still holds an address lets go of it soon: a function that is missing until the next reload is worse than a late start. */
  async #bindBesideOrphans(plans: readonly ListenerPlan[]): ReturnType<typeof bindAll<HeldSocket>> {
    const latest = this.#options.clock.monotonic() + orphansMs;
    for (;;) {
      const binding = await bindAll(plans, holdSocket);
      const isTaken = binding.failures.some(({ reason }) => reason.includes('EADDRINUSE'));
      const mayWait = this.#orphans.some(isOrphanAlive) && this.#options.clock.monotonic() < latest && !this.#stopping;
      if (!isTaken || !mayWait) return binding;
      for (const socket of binding.bound) socket.close();
      // At a start nothing else keeps the process alive yet.
      await pause(bindEveryMs);
    }
  }

  #finish(code: number, drainMs: number): void {
    this.#stopping = true;
    this.#options.notices.stopping('ends');
    this.#letGoOfSockets();
    void Promise.all([...this.#generations].map((generation) => this.#end(generation, drainMs))).then(() => {
      rmSync(this.#directory, { recursive: true, force: true });
      this.#exit(code);
    });
  }

  /** Control goes last: until then it tells whoever asks that the daemon is not ready any more. */
  async #end(generation: Generation, deadlineMs: number): Promise<void> {
    if (deadlineMs > 0) {
      generation.control.turnUnready();
      await Promise.all(generation.workers.map((worker) => worker.drain(deadlineMs)));
    }
    await this.#drain(generation, deadlineMs);
  }

  /**
   * A change of the configuration ends nobody's connections: former workers stay until theirs have ended by themselves. Only of so many
   * generations: each keeps processes, and the eldest then has as long as a stop gives.
   */
  #letEnd(former: Generation): void {
    this.#former.add(former);
    void this.#drain(former, longestHandoverMs, true).then(() => this.#former.delete(former));
    const [eldest] = this.#former;
    if (this.#former.size <= mostFormer || eldest === undefined) return;
    this.#former.delete(eldest);
    void this.#drain(eldest, longestDrainMs(this.#running.config), true);
  }

  async #drain(generation: Generation, deadlineMs: number, isHandover = false): Promise<void> {
    if (deadlineMs === 0) for (const child of childrenOf(generation)) child.kill();
    await Promise.all(childrenOf(generation).map((child) => child.drain(deadlineMs, isHandover)));
    this.#generations.delete(generation);
  }

  #children(): readonly Offspring[] {
    return [...this.#generations].flatMap(childrenOf);
  }
}

const childrenOf = (generation: Generation): readonly Offspring[] => [...generation.workers, generation.control];

const idOf = (plan: ListenerPlan): string =>
  `${plan.kind} ${plan.host} ${plan.port === 0 ? `${plan.key}/${plan.index}` : plan.port}`;
