// Offspring: one child process of the supervisor, respawned with back-off when it ends unasked, killed when its heart stops.

import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createBackoff, messageOf, type Clock, type Logger, type Random, type Timer } from '../runtime/index.ts';
import {
  heartbeatMs,
  type ChildInit,
  type ChildMessage,
  type Reconfigure,
  type SupervisorMessage,
} from './child-message.ts';
import { markProcess } from './orphans.ts';
import { readResident, Silence } from './silence.ts';
import { withoutNewPrivileges } from './privileges.ts';
import type { HeldSocket } from './sockets.ts';

/** Of glibc: each thread that helps for a moment would keep a heap of its own, 20 MB in all, for a process with one thread that allocates. */
const fewArenas = { MALLOC_ARENA_MAX: '2' };

/**
 * A smaller young generation keeps pauses short: of control while it parses snapshots (node26.md §B), of workers while thousands of
 * connections come, which all survive (25 ms with 16 MiB, 4 ms with 4).
 */
const nodeFlags: Readonly<Record<ChildInit['role'], readonly string[]>> = {
  control: ['--max-semi-space-size=4'],
  worker: ['--max-semi-space-size=4'],
};

const entry = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './child.js', import.meta.url));
const firstDescriptor = 4;
const stalledAfterMs = heartbeatMs * 4;
const startUpMs = 30_000;
/** The first picture of a large cluster on a slow machine. */
const longWorkMs = 180_000;
/** How long a new process is left alone, whatever it takes, at first and at most: each replacement costs connections their time. */
const firstWeighingMs = 5_000;
const rarestWeighingMs = 600_000;
/** So many that end before one is ready, and it is no accident. */
const mostFalseStarts = 5;
/** A child that lived this long did not crash at its start. */
const settledMs = 60_000;

export interface Offspring {
  readonly role: ChildInit['role'];
  pid(): number | null;
  /** Control of this moment or an earlier one: it has told the workers of the cluster. */
  readonly hasPicture: boolean;
  /** Resolves when the child of this moment or a later one has said that it is ready. */
  readonly ready: Promise<void>;
  /** Resolves to why, where processes have ended unasked several times before one was ready. */
  readonly failing: Promise<string>;
  /** Tells the child of this moment, and starts later ones, by another configuration; `ready` is the promise that control has it in force. */
  reconfigure(configText: string, message: Reconfigure): void;
  /** Control: `GET /ready` says no from now on. */
  turnUnready(): void;
  /** Resolves when it has ended. Called again, another deadline holds. `isHandover`: a successor has the same sockets. */
  drain(deadlineMs: number, isHandover?: boolean): Promise<void>;
  kill(): void;
  reopen(): void;
}

export interface OffspringOptions {
  readonly init: Omit<ChildInit, 'type' | 'sockets' | 'respawned'>;
  readonly sockets: readonly HeldSocket[];
  /** Beyond it another process takes over, and this one drains; 0: no limit. */
  readonly memoryBytes: number;
  /** What one that is replaced has for it. */
  readonly drainMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onHopeless: () => void;
  readonly onReload: () => void;
}

export function spawnOffspring(options: OffspringOptions): Offspring {
  return new Child(options);
}

class Child implements Offspring {
  readonly role: ChildInit['role'];
  ready: Promise<void>;
  #init: OffspringOptions['init'];
  readonly #options: OffspringOptions;
  readonly #backoff;
  #isReady: () => void = () => undefined;
  readonly failing: Promise<string>;
  #fail: (reason: string) => void = () => undefined;
  #falseStarts = 0;
  /** What the process of this moment said of its end. */
  #lastWords: string | null = null;
  #process: ChildProcess | null = null;
  #spawnedAt = 0;
  #heard = false;
  /** The one that stands here serves. Two that start together would take the name of their socket from each other, and the daemon its time. */
  #isServing = false;
  hasPicture = false;
  #isBusy = false;
  readonly #silence: Silence;
  #pulse: Timer | null = null;
  /** Replaced: they serve what they have, and end. */
  readonly #leaving = new Set<ChildProcess>();
  readonly #weighings;
  #weighAt = 0;
  #ending = false;
  #spawns = 0;
  #ended: () => void = () => undefined;
  readonly #end: Promise<void>;

  constructor(options: OffspringOptions) {
    this.#options = options;
    this.role = options.init.role;
    this.#init = options.init;
    this.#silence = new Silence(options.clock.monotonic());
    this.#backoff = createBackoff({ firstMs: 100, mostMs: 10_000, random: options.random });
    this.#weighings = createBackoff({ firstMs: firstWeighingMs, mostMs: rarestWeighingMs, random: options.random });
    this.ready = new Promise((resolve) => (this.#isReady = resolve));
    this.failing = new Promise((resolve) => (this.#fail = resolve));
    this.#end = new Promise((resolve) => (this.#ended = resolve));
    this.#spawn();
  }

  pid(): number | null {
    return this.#process?.pid ?? null;
  }

  reconfigure(configText: string, message: Reconfigure): void {
    this.#init = { ...this.#init, configText, edition: message.edition };
    this.ready = new Promise((resolve) => (this.#isReady = resolve));
    this.#send(message);
  }

  turnUnready(): void {
    this.#send({ type: 'unready' });
  }

  async drain(deadlineMs: number, isHandover = false): Promise<void> {
    this.#ending = true;
    if (this.#process === null && this.#leaving.size === 0) return;
    const message = { type: 'drain', deadlineMs, isHandover } as const;
    this.#send(message);
    for (const former of this.#leaving) this.#send(message, former);
    const late = this.#options.clock.after(deadlineMs + 2_000, () => this.kill());
    await this.#end;
    late.cancel();
  }

  kill(): void {
    this.#ending = true;
    this.#process?.kill('SIGKILL');
    for (const former of this.#leaving) former.kill('SIGKILL');
  }

  reopen(): void {
    this.#send({ type: 'reopen' });
  }

  #spawn(): void {
    const { sockets, clock } = this.#options;
    const own = sockets.filter((socket) => socket.role === this.role);
    const [program, args] = withoutNewPrivileges(process.execPath, [...nodeFlags[this.role], entry]);
    const child = spawn(program, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...own.map((socket) => socket.fd)],
      env: { ...fewArenas, ...process.env, ISTHMUS_ROLE: this.role },
    });
    this.#process = child;
    this.#spawnedAt = clock.monotonic();
    this.#silence.heard(this.#spawnedAt);
    this.#heard = false;
    this.#isServing = false;
    this.#weighAt = this.#spawnedAt + this.#weighings.next();
    this.#lastWords = null;
    if (child.pid !== undefined) child.once('exit', markProcess(this.#options.init.directory, child.pid));
    child.on('message', (message: ChildMessage) => void (this.#process === child && this.#hear(message)));
    child.once('error', (error) => {
      // Not spawned at all (no memory, no program): there is no exit to wait for.
      if (child.pid !== undefined) return;
      this.#options.log.error({ ...this.#name(), error: messageOf(error) }, 'process cannot be started');
      this.#gone(child, null, null);
    });
    child.once('exit', (code, signal) => this.#gone(child, code, signal));
    const inherited = sockets.map((socket) => {
      const { key, index, kind, role, host, port, boundPort } = socket;
      const fd = own.includes(socket) ? firstDescriptor + own.indexOf(socket) : null;
      return { key, index, kind, role, host, port, boundPort, fd };
    });
    const servesAlready = this.#init.servesAlready || this.hasPicture;
    const respawned = this.#spawns++ > 0;
    this.#send({ type: 'init', ...this.#init, sockets: inherited, respawned, servesAlready });
    this.#watchPulse();
  }

  #hear(message: ChildMessage): void {
    this.#silence.heard(this.#options.clock.monotonic());
    this.#heard = true;
    this.#isBusy = message.type === 'busy';
    if (message.type === 'failed') this.#lastWords = message.reason;
    if (message.type === 'serving') {
      this.#isServing = true;
      for (const former of this.#leaving) this.#dismiss(former);
    }
    if (message.type === 'ready') {
      for (const former of this.#leaving) this.#send({ type: 'retire' }, former);
      this.#falseStarts = Number.NEGATIVE_INFINITY;
      this.#isReady();
    }
    if (message.type === 'pictured') this.hasPicture = true;
    if (message.type === 'reload') this.#options.onReload();
    if (message.type === 'hopeless') {
      this.#fail('control: no picture of the cluster within the ready timeout');
      this.#options.onHopeless();
    }
  }

  #watchPulse(): void {
    const { clock } = this.#options;
    const lookAt = clock.monotonic() + heartbeatMs;
    this.#pulse = clock.after(heartbeatMs, () => {
      const pid = this.#process?.pid;
      if (this.#process === null || pid === undefined) return;
      const now = clock.monotonic();
      // Whoever slept itself (stopped, the machine suspended) heard nothing either, and must listen again before it judges.
      if (now - lookAt > stalledAfterMs / 2) this.#silence.heard(now);
      if (this.#silence.isHang(pid, now, this.#heard ? this.#patienceMs() : startUpMs)) {
        const silentMs = Math.round(this.#silence.ms(now));
        this.#options.log.error(
          { ...this.#name(), silentMs },
          'process does not answer and is killed; a new one takes over',
        );
        this.#process.kill('SIGKILL');
      }
      if (this.#isHeavy(pid, now)) this.#replace(this.#process);
      else this.#watchPulse();
    });
  }

  #isHeavy(pid: number, now: number): boolean {
    const { memoryBytes } = this.#options;
    if (memoryBytes === 0 || !this.#isServing || now < this.#weighAt) return false;
    if (this.#ending || this.#leaving.size > 0) return false;
    const bytes = readResident(pid);
    if (bytes <= memoryBytes) return false;
    this.#options.log.error(
      { ...this.#name(), childPid: pid, bytes, memoryBytes },
      'worker takes more memory than workerMemory allows; another one takes over, and it drains',
    );
    return true;
  }

  /** The other one listens first; then control turns to it, and once it serves this one drains. */
  #replace(former: ChildProcess): void {
    this.#leaving.add(former);
    former.once('exit', () => {
      this.#leaving.delete(former);
      this.#endIfGone();
    });
    this.#spawn();
  }

  #dismiss(former: ChildProcess): void {
    const { drainMs, clock } = this.#options;
    this.#send({ type: 'drain', deadlineMs: drainMs, isHandover: true }, former);
    const late = clock.after(drainMs + 2_000, () => former.kill('SIGKILL'));
    former.once('exit', () => late.cancel());
  }

  #endIfGone(): void {
    if (this.#ending && this.#process === null && this.#leaving.size === 0) this.#ended();
  }

  /** Control derives what may be huge and carries no traffic; a worker that stalls holds connections. */
  #patienceMs(): number {
    return this.role === 'control' || this.#isBusy ? longWorkMs : stalledAfterMs;
  }

  #gone(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#process !== child) return;
    this.#process = null;
    this.#pulse?.cancel();
    if (this.#ending) {
      this.#endIfGone();
      return;
    }
    if (this.#options.clock.monotonic() - this.#spawnedAt > settledMs) this.#backoff.reset();
    const reason = this.#lastWords ?? `ended with ${signal ?? String(code)}`;
    if (++this.#falseStarts >= mostFalseStarts) this.#fail(`${this.role}: ${reason}`);
    const waitMs = Math.round(this.#backoff.next());
    this.#options.log.error(
      { ...this.#name(), childPid: child.pid, code, signal, reason, waitMs },
      'process ended unasked; a new one takes over',
    );
    this.#options.clock.after(waitMs, () => {
      if (this.#ending) this.#endIfGone();
      else this.#spawn();
    });
  }

  #send(message: SupervisorMessage, to = this.#process): void {
    if (to?.connected === true) to.send(message, () => undefined);
  }

  #name(): Record<string, unknown> {
    const { role, slot, generation } = this.#options.init;
    return role === 'control' ? { role, generation } : { role, slot, generation };
  }
}
