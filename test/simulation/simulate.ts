// One seed: a cluster that grows, deploys, loses agents and leaders behind masters that misbehave, followed as the daemon follows it, in
// virtual time. Throws where a live task vanished from a view, or where after quiet a view is not what the master's state gives.

import type { Picture, Task } from '../../src/cluster/index.ts';
import { createFakeCluster, type FakeCluster } from '../../src/fakes/index.ts';
import { seededRandom, type Random } from '../../src/runtime/index.ts';
import { createMemoryStore, loadSnapshot, saveSnapshot } from '../../src/store/index.ts';
import { openFollower, type Follower } from './follower.ts';
import { differing, presenceIn, viewNames } from './presence.ts';
import { SimMasters } from './sim-masters.ts';
import { VirtualTime } from './virtual-time.ts';

/** What happens to apps and tasks. */
const appActs: ReadonlySet<string> = new Set(['scale', 'deploy', 'crash', 'finish unseen', 'sick']);
/** Longer than the guard: two readings, a doubt's second look, and the settling of agents. */
const quietMs = 30 * 60_000;

export interface SimulationSize {
  readonly agents: number;
  readonly apps: number;
  readonly steps: number;
  /** Tasks that each app has at first. */
  readonly perApp: number;
  /** Things that happen to apps and tasks in a step, beside one that happens to the cluster. */
  readonly churn: number;
  /** Steps between two looks at all that the views show. */
  readonly lookEvery: number;
}

const smallSize: SimulationSize = { agents: 5, apps: 4, steps: 60, perApp: 2, churn: 0, lookEvery: 1 };

/** Of so many tasks in all, from the start. */
export function largeSize(agents: number, tasks: number, steps: number): SimulationSize {
  const churn = Math.ceil(tasks / 2000);
  return { agents, apps: Math.ceil(tasks / 10), steps, perApp: 10, churn, lookEvery: Math.ceil(tasks / 2000) };
}

export interface Simulated {
  readonly tasks: number;
  readonly restarts: number;
  readonly failovers: number;
}

export async function simulate(seed: number, size: SimulationSize = smallSize): Promise<Simulated> {
  const world = new World(seed, size);
  try {
    return await world.run();
  } finally {
    await world.close();
  }
}

class World {
  readonly #random: Random;
  readonly #size: SimulationSize;
  readonly #seed: number;
  readonly #time = new VirtualTime();
  readonly #cluster: FakeCluster;
  readonly #masters: SimMasters;
  readonly #store = createMemoryStore();
  readonly #framework: string;
  readonly #apps = new Map<string, { wanted: number; version: number }>();
  /** Tasks that run and were healthy all their life, with where they are reached. */
  readonly #live = new Map<string, { readonly name: string; readonly agent: string; readonly address: string }>();
  /** Of those, the ones that the follower has shown. */
  readonly #seen = new Set<string>();
  readonly #lost = new Set<string>();
  readonly #recovering = new Set<string>();
  #follower: Follower;
  #agentsMade = 0;
  #restarts = 0;
  #failovers = 0;

  constructor(seed: number, size: SimulationSize) {
    this.#seed = seed;
    this.#size = size;
    this.#random = seededRandom(seed + 1);
    this.#cluster = createFakeCluster({ seed, clock: this.#time.fakeClock });
    this.#masters = new SimMasters(this.#cluster, this.#time, this.#random);
    this.#framework = this.#cluster.addFramework({ name: 'marathon' });
    for (let n = 0; n < size.agents; n++) this.#addAgent(n % 2 === 0 ? 'a' : 'b');
    for (let n = 0; n < size.apps; n++) this.#apps.set(`app${n}`, { wanted: size.perApp, version: 0 });
    if (size.churn > 0) this.#grow();
    this.#follower = this.#open(undefined);
  }

  async run(): Promise<Simulated> {
    for (let step = 0; step < this.#size.steps; step++) {
      for (let n = 0; n < this.#size.churn; n++) await this.#act(appActs);
      const did = await this.#act();
      this.#reconcileApps();
      await this.#time.pass(this.#upTo(20) * 1000 + 50);
      this.#check(`step ${step} (${did})`, step % this.#size.lookEvery === 0);
    }
    await this.#calm();
    const tasks = this.#cluster.tasks().length;
    return { tasks, restarts: this.#restarts, failovers: this.#failovers };
  }

  async close(): Promise<void> {
    this.#masters.close();
    await Promise.all([this.#follower.stop(), this.#time.pass(1000)]);
    await this.#cluster.close();
  }

  #open(seed: Picture | undefined): Follower {
    const { clock, stir } = this.#time;
    return openFollower({ seed, clock, random: seededRandom(this.#seed + 2), open: this.#masters.open, stir });
  }

  #upTo(most: number): number {
    return Math.floor(this.#random() * most);
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#upTo(list.length)];
  }

  /** One thing that happens; returns its name, for whoever reads of a failure. */
  async #act(among: ReadonlySet<string> | null = null): Promise<string> {
    const all: readonly (readonly [string, number, () => Promise<void> | void])[] = [
      ['scale', 6, () => this.#onApp((app) => (app.wanted = this.#upTo(3 * this.#size.perApp)))],
      ['deploy', 4, () => this.#onApp((app) => app.version++)],
      ['crash', 4, () => this.#onTask((id) => this.#end(id, () => this.#cluster.crash(id)))],
      [
        'finish unseen',
        1,
        () => this.#onTask((id) => this.#end(id, () => this.#cluster.silently(id, 'TASK_FINISHED'))),
      ],
      ['sick', 2, () => this.#onTask((id) => this.#end(id, () => this.#cluster.setHealth(id, false)))],
      ['lose agent', 3, () => this.#loseAgent()],
      ['return agent', 3, () => this.#returnAgent()],
      ['add agent', 1, () => this.#addAgent('c')],
      ['remove agent', 1, () => this.#removeAgent()],
      ['other leader', 2, () => this.#lead()],
      ['failover', 2, () => this.#failover()],
      ['re-register', 8, () => this.#reregister()],
      [
        'break stream',
        4,
        () => this.#masters.breakStreams(this.#pick(['reset', 'end', 'cut', 'garbage', 'half-open']) as 'end'),
      ],
      ['stream faults', 3, () => this.#streamFaults()],
      [
        'answers',
        3,
        () =>
          void (this.#masters.answers = this.#pick(['whole', 'whole', 'cut', 'not-json', 'html', 'busy']) as 'whole'),
      ],
      ['rights', 1, () => void (this.#masters.withoutRights = !this.#masters.withoutRights)],
      ['restart', 1, () => this.#restart()],
      ['nothing', 4, () => undefined],
    ];
    const acts = among === null ? all : all.filter(([name]) => among.has(name));
    let left = this.#random() * acts.reduce((sum, [, weight]) => sum + weight, 0);
    const act = acts.find(([, weight]) => (left -= weight) < 0) ?? acts[0];
    if (act === undefined) return 'nothing';
    await act[2]();
    return act[0];
  }

  #onApp(change: (app: { wanted: number; version: number }) => void): void {
    const app = this.#apps.get(`app${this.#upTo(this.#size.apps)}`);
    if (app !== undefined) change(app);
  }

  /** Addresses of its own: a net of 254 is soon full. */
  #addAgent(zone: string): void {
    const n = this.#agentsMade++;
    this.#cluster.addAgent({ zone, ip: `10.${16 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}` });
  }

  /** All apps at once, before anybody looks. */
  #grow(): void {
    const agents = this.#agents();
    for (const [name, { wanted, version }] of this.#apps)
      for (let n = 0; n < wanted; n++) this.#launch(name, version, agents);
  }

  #onTask(change: (id: string) => void): void {
    const task = this.#pick(this.#running());
    if (task !== undefined) change(task);
  }

  #running(): readonly string[] {
    return this.#cluster
      .tasks()
      .filter((task) => task.state === 'TASK_RUNNING')
      .map((task) => task.task_id.value);
  }

  /** From now on nothing is claimed of the task. */
  #end(id: string, how: () => void): void {
    this.#forget(id);
    how();
  }

  #forget(id: string): void {
    this.#live.delete(id);
    this.#seen.delete(id);
  }

  #forgetAgent(agent: string): void {
    for (const [id, task] of this.#live) if (task.agent === agent) this.#forget(id);
  }

  /** What a scheduler does that is connected: as many tasks of each app as are wanted, of its newest version. */
  #reconcileApps(): void {
    if (!this.#cluster.frameworks().some(({ connected }) => connected)) return;
    const agents = this.#agents();
    const byApp = Map.groupBy(this.#cluster.tasks(), (task) => task.name);
    for (const [name, { wanted, version }] of this.#apps) {
      const tasks = byApp.get(name) ?? [];
      const current = tasks.filter(
        (task) => task.labels?.labels?.some(({ value }) => value === `v${version}`) === true,
      );
      const isMissing = current.length < wanted && agents.length > 0;
      if (isMissing) this.#launch(name, version, agents);
      const spare = tasks.find((task) => !current.includes(task)) ?? (current.length > wanted ? current[0] : undefined);
      const id = spare?.task_id.value;
      if (id !== undefined && tasks.length + (isMissing ? 1 : 0) > Math.min(1, wanted))
        this.#end(id, () => this.#cluster.end(id, 'TASK_KILLED'));
    }
  }

  #agents(): readonly string[] {
    return this.#cluster.agents().map((agent) => agent.agent_info.id.value);
  }

  #launch(name: string, version: number, agents: readonly string[]): void {
    const agent = this.#pick(agents) as string;
    const labels = { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: `${name}.example`, version: `v${version}` };
    const port = { name: 'http', containerPort: 8080, hostPort: 0, labels: { VIP_0: `/${name}:80` } };
    const framework = this.#framework;
    // The net of a bridge is full soon.
    const mode = this.#size.churn > 0 ? 'host' : 'docker-bridge';
    const id = this.#cluster.launch({ framework, name, agent, labels, ports: [port], network: { mode } });
    this.#cluster.starting(id);
    this.#cluster.running(id, { healthy: true });
    const { host, port: number } = this.#cluster.address(id, 0);
    this.#live.set(id, { name, agent, address: `${host}:${number}` });
  }

  #loseAgent(): void {
    const agent = this.#pick(this.#agents());
    if (agent === undefined || this.#agents().length < 3) return;
    this.#forgetAgent(agent);
    this.#lost.add(agent);
    this.#cluster.loseAgent(agent);
  }

  #returnAgent(): void {
    const agent = this.#pick([...this.#lost]);
    if (agent === undefined) return;
    this.#lost.delete(agent);
    this.#cluster.returnAgent(agent);
  }

  #removeAgent(): void {
    const agent = this.#pick(this.#agents());
    if (agent === undefined || this.#agents().length < 4) return;
    this.#forgetAgent(agent);
    this.#cluster.removeAgent(agent);
  }

  #lead(): void {
    this.#masters.breakStreams('end');
    this.#masters.down.clear();
    this.#masters.leader = this.#pick([0, 1, 2, null]) ?? null;
    if (this.#masters.leader !== null && this.#random() < 0.3) this.#masters.down.add((this.#masters.leader + 1) % 3);
  }

  /** Another leader that knows of its agents what the registry says, and of tasks nothing. */
  #failover(): void {
    this.#failovers++;
    for (const agent of this.#agents()) this.#recovering.add(agent);
    this.#masters.breakStreams('reset');
    this.#cluster.failover();
    this.#masters.tookOverAt = this.#time.clock.now();
    this.#masters.leader = this.#upTo(3);
    this.#masters.down.clear();
  }

  #reregister(): void {
    if (this.#random() < 0.5) this.#cluster.resubscribeFramework(this.#framework);
    const waiting = [...this.#recovering];
    for (let n = 0; n < Math.ceil(this.#size.agents / 10); n++) this.#returnRecovered(this.#pick(waiting));
  }

  #returnRecovered(agent: string | undefined): void {
    if (agent === undefined || !this.#recovering.has(agent)) return;
    this.#recovering.delete(agent);
    this.#masters.tookOverAt = this.#time.clock.now();
    if (this.#random() < 0.85) return this.#cluster.reregisterAgent(agent);
    // It never came back: nobody is told.
    this.#forgetAgent(agent);
    this.#cluster.forgetRecovered(agent);
  }

  #streamFaults(): void {
    const share = (): number => (this.#random() < 0.5 ? 0 : this.#random() * 0.3);
    Object.assign(this.#masters.faults, { lost: share(), doubled: share(), swapped: share(), torn: share() * 3 });
  }

  /** A stop saves; a kill leaves what was saved before; and what is on disk may have suffered. */
  async #restart(): Promise<void> {
    this.#restarts++;
    const { snapshot } = this.#follower.pipeline;
    if (snapshot.synced && this.#random() < 0.7) await saveSnapshot(this.#store, snapshot, this.#time.clock.now());
    await this.#follower.stop();
    if (this.#random() < 0.1) await this.#store.write('snapshot/last', Buffer.from('{"format":2}\nhalf'));
    const saved = await loadSnapshot(this.#store).catch(() => null);
    this.#follower = this.#open(saved?.picture);
    const kept = new Set(saved?.picture.tasks.filter(isRunning).map((task) => task.id as string));
    for (const id of this.#seen) if (!kept.has(id)) this.#seen.delete(id);
  }

  /** Each task that runs, was shown, and was never sick is shown still, by every view; `whole`: looks at the views too. */
  #check(when: string, whole: boolean): void {
    const { snapshot } = this.#follower.pipeline;
    const running = [...snapshot.tasks.values()].filter(isRunning);
    const known = new Set(running.map((task) => task.id as string));
    const placed = new Set(running.filter((task) => task.agentIp !== null).map((task) => task.id as string));
    const print = (name: (typeof viewNames)[number]): string => this.#print(this.#follower, name);
    const lacks = whole ? presenceIn({ zone: print('zone'), vips: print('vips'), routes: print('routes') }) : null;
    for (const [id, task] of this.#live) {
      if (!this.#seen.has(id)) {
        if (placed.has(id)) this.#seen.add(id);
        continue;
      }
      if (!known.has(id)) throw new Error(`${when}: ${id} runs and is not in the snapshot`);
      const lack = lacks?.(task) ?? null;
      if (lack !== null) throw new Error(`${when}: ${id} ${lack}`);
    }
  }

  #print(follower: Follower, name: (typeof viewNames)[number]): string {
    const text = follower.pipeline.view(name)?.print() ?? '';
    return text.replace(/( IN SOA \S+ \S+) \d+(.*) \d+$/gm, '$1 SERIAL$2');
  }

  /** Faults end, what waits comes back, and time passes: then everything must be as one sees it who comes new. */
  async #calm(): Promise<void> {
    Object.assign(this.#masters.faults, { lost: 0, doubled: 0, swapped: 0, torn: 0 });
    this.#masters.answers = 'whole';
    this.#masters.withoutRights = false;
    this.#masters.down.clear();
    this.#masters.leader ??= 0;
    this.#cluster.recover();
    // Who comes new knows no address of an agent that is away.
    for (const agent of this.#lost) this.#cluster.returnAgent(agent);
    await this.#time.pass(quietMs);
    this.#check('after quiet', true);
    const fresh = this.#open(undefined);
    try {
      await this.#time.pass(10_000);
      if (!fresh.pipeline.snapshot.synced) throw new Error('a new follower has no picture');
      for (const name of viewNames) {
        const difference = differing(this.#print(this.#follower, name), this.#print(fresh, name));
        if (difference !== null) throw new Error(`after quiet ${name} differs: ${difference}`);
      }
    } finally {
      await Promise.all([fresh.stop(), this.#time.pass(100)]);
    }
    const shown = [...fresh.pipeline.snapshot.tasks.values()].filter(isRunning).length;
    const real = this.#running().length;
    if (shown !== real) throw new Error(`${real} tasks run, ${shown} are shown`);
  }
}

const isRunning = (task: Task): boolean => task.state === 'TASK_RUNNING';
