// Carries the planned troubles out, and keeps what they explain: when which task ended, when which worker was gone.

import type { Excuse } from './blame.ts';
import { patient } from './patience.ts';
import type { PlannedTrouble } from './plan.ts';
import { isAlive, processesOf } from './processes.ts';
import type { Scene } from './scene.ts';

interface Status {
  readonly generation: number;
  readonly workers: readonly { readonly pid: number; readonly generation: number }[];
}

/** After a generation has taken over, workers of the former one close the listeners that they opened themselves. */
const handoverMs = 10_000;
const patienceMs = patient(60_000);
/** A task that is told to end takes as long at most. */
const graceMs = 15_000;

export class TroubleMaker {
  readonly excuses: Excuse[] = [];
  /** What was done, in words, with its moment. */
  readonly done: { readonly at: number; readonly what: string }[] = [];
  readonly #scene: Scene;
  /** Connections that the load has open, as last told. */
  readonly #open: () => number;
  readonly #begun: Promise<void>[] = [];
  #isDeploying = false;
  #instances = 3;

  constructor(scene: Scene, open: () => number) {
    this.#scene = scene;
    this.#open = open;
  }

  /** Resolves when what was set off has come to its end, or has had a minute for it. */
  async settle(): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, patienceMs).unref());
    await Promise.race([Promise.all(this.#begun), late]);
  }

  /** Resolves to what was done; '' where it was not possible just now. */
  async make({ trouble, pick }: PlannedTrouble): Promise<string> {
    const what = await this.#make(trouble, pick);
    if (what !== '') this.done.push({ at: Date.now(), what });
    return what;
  }

  /** Looks for tasks that end for other reasons than a crash: whoever held a connection to one loses it at the end of its grace. */
  watchTasks(): () => void {
    const lastSeen = new Map<string, number>();
    const look = (): void => {
      const now = Date.now();
      const running = this.#scene.test.cluster.tasks().filter(({ state }) => state === 'TASK_RUNNING');
      const left = new Set(running.map(({ task_id }) => task_id.value));
      for (const task of left) lastSeen.set(task, now);
      // One that ends at once may not be seen ending.
      for (const [task, at] of lastSeen) {
        if (left.has(task)) continue;
        lastSeen.delete(task);
        this.excuses.push({ of: 'end of task', task, from: at - 200, until: now + graceMs });
      }
    };
    const timer = setInterval(look, 50);
    return () => clearInterval(timer);
  }

  #make(trouble: PlannedTrouble['trouble'], pick: number): Promise<string> | string {
    const scene = this.#scene;
    switch (trouble) {
      case 'scale':
        return this.#roll(2 + Math.floor(pick * 4), 'scale');
      case 'deploy':
        return this.#roll(this.#instances, 'deploy');
      case 'crash a task':
        return this.#crash(pick);
      case 'fail the master over': {
        const next = ((scene.test.masters.leader ?? 0) + 1) % scene.test.masters.urls.length;
        scene.test.masters.failover(next);
        return `master ${next} leads`;
      }
      case 'rotate certificates':
        scene.rotateCertificate();
        return 'another certificate';
      case 'let the liar change its lie':
        return `the liar tells ${scene.changeLie()}`;
      case 'reload':
        return this.#change('reload', () => scene.reload());
      case 'upgrade':
        return this.#change('upgrade', () => scene.daemon.child.kill('SIGUSR2'));
      case 'kill control':
        return this.#killControl();
      case 'kill a worker':
      case 'stop a worker':
        return this.#hitWorker(trouble === 'kill a worker' ? 'SIGKILL' : 'SIGSTOP', pick);
    }
  }

  #roll(instances: number, why: string): string {
    if (this.#isDeploying) return '';
    this.#isDeploying = true;
    const { marathon } = this.#scene.test;
    const rolling =
      why === 'scale'
        ? marathon.scale('/shop/web', instances, { force: true }).then(
            () => undefined,
            () => undefined,
          )
        : this.#scene.deploy(instances);
    this.#instances = instances;
    void rolling.finally(() => (this.#isDeploying = false));
    return `${why}: ${instances} instances`;
  }

  #crash(pick: number): string {
    const running = this.#scene.test.cluster
      .tasks()
      .filter(({ name, state }) => name === 'web.shop' && state === 'TASK_RUNNING');
    const victim = running[Math.floor(pick * running.length)]?.task_id.value;
    if (victim === undefined || running.length < 2) return '';
    this.excuses.push({ of: 'task', task: victim, from: Date.now(), until: Date.now() + 2_000 });
    this.#scene.test.cluster.crash(victim);
    return `${victim} is gone`;
  }

  async #change(why: string, begin: () => void): Promise<string> {
    const { generation } = await this.#status();
    const excuse: Excuse = { of: 'generation', from: Date.now(), until: Infinity };
    this.excuses.push(excuse);
    begin();
    const next = this.#until(async () => (await this.#status()).generation > generation).then((happened) => {
      excuse.until = Date.now() + handoverMs;
      this.done.push({
        at: Date.now(),
        what: happened ? `${why}: a new generation serves` : `${why}: NO NEW GENERATION`,
      });
    });
    this.#begun.push(next);
    return why;
  }

  #killControl(): string {
    const controls = processesOf(this.#scene.daemon.child.pid ?? 0).filter(({ role }) => role === 'control');
    const victim = controls.at(-1)?.pid;
    if (victim === undefined) return '';
    process.kill(victim, 'SIGKILL');
    return `control ${victim} is killed`;
  }

  async #hitWorker(signal: 'SIGKILL' | 'SIGSTOP', pick: number): Promise<string> {
    const { workers } = await this.#status();
    const victim = workers[Math.floor(pick * workers.length)]?.pid;
    if (victim === undefined || workers.length < 2) return '';
    const excuse: Excuse = { of: 'worker', from: Date.now(), until: Infinity };
    if (signal === 'SIGKILL') excuse.most = this.#open();
    this.excuses.push(excuse);
    process.kill(victim, signal);
    const gone = this.#until(() => Promise.resolve(!isAlive(victim))).then((happened) => {
      excuse.until = Date.now();
      if (!happened) this.done.push({ at: Date.now(), what: `worker ${victim} WAS NOT REPLACED` });
    });
    this.#begun.push(gone);
    return `worker ${victim} is ${signal === 'SIGKILL' ? 'killed' : 'stopped'}`;
  }

  async #status(): Promise<Status> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#scene.daemon.json<Status>('/v1/status');
      } catch (error) {
        if (tries > 100) throw error;
        await new Promise((wake) => setTimeout(wake, 100));
      }
    }
  }

  async #until(look: () => Promise<boolean>): Promise<boolean> {
    const deadline = Date.now() + patienceMs;
    while (Date.now() < deadline) {
      if (await look().catch(() => false)) return true;
      await new Promise((wake) => setTimeout(wake, 50));
    }
    return false;
  }
}
