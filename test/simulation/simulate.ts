// One seed: a cluster that grows, deploys, loses agents and leaders behind masters, and in every second one a Marathon, that misbehave,
// followed as the daemon follows it, in virtual time. Fails where a live task vanished from a view, or where after quiet a view is not
// what the state of masters and Marathon gives.

import type { Picture } from '../../src/cluster/index.ts';
import { createFakeCluster, type FakeCluster } from '../../src/fakes/index.ts';
import { seededRandom, type Random } from '../../src/runtime/index.ts';
import { createMemoryStore, loadSnapshot, saveSnapshot } from '../../src/store/index.ts';
import { pickAct, type Act } from './acts.ts';
import { Claims, printsOf } from './claims.ts';
import { openFollower, type Follower, type Spoil } from './follower.ts';
import { differing, viewNames } from './presence.ts';
import { Scheduler } from './scheduler.ts';
import { marathonUrls, SimMarathon } from './sim-marathon.ts';
import { SimMasters } from './sim-masters.ts';
import { smallSize, type SimulationSize } from './simulation-size.ts';
import { VirtualTime } from './virtual-time.ts';

/** Longer than the guard: two readings, a doubt's second look, and the settling of agents. */
const quietMs = 30 * 60_000;

export interface Simulated {
  readonly tasks: number;
  readonly agents: number;
  readonly marathons: number;
  readonly restarts: number;
  readonly failovers: number;
  /** That masters told of. */
  readonly events: number;
  readonly subscriptions: number;
  readonly readings: number;
  readonly marathonReadings: number;
  /** Looks at a task that must be shown. */
  readonly looks: number;
  readonly virtualMinutes: number;
}

export interface SimulationTools {
  /** Is told of each step that is over. */
  readonly onStep?: (step: number, did: string, tasks: number) => void;
  /** Breaks what the follower hears. */
  readonly spoil?: Spoil;
}

/** What was wrong with a seed, when, and what had happened just before. */
export class SimulationFailure extends Error {
  readonly step: number;
  readonly history: readonly string[];

  constructor(cause: unknown, step: number, history: readonly string[]) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.step = step;
    this.history = history;
  }
}

/** Rejects with a SimulationFailure. */
export async function simulate(
  seed: number,
  size: SimulationSize = smallSize,
  tools: SimulationTools = {},
): Promise<Simulated> {
  const world = new World(seed, size, tools);
  try {
    return await world.run();
  } catch (error) {
    throw new SimulationFailure(error, world.step, world.history);
  } finally {
    await world.close();
  }
}

class World {
  step = 0;
  readonly history: string[] = [];
  readonly #random: Random;
  readonly #size: SimulationSize;
  readonly #seed: number;
  readonly #tools: SimulationTools;
  readonly #time = new VirtualTime();
  readonly #startedAt = this.#time.clock.now();
  readonly #cluster: FakeCluster;
  readonly #masters: SimMasters;
  readonly #marathon: SimMarathon | null;
  readonly #scheduler: Scheduler;
  readonly #claims: Claims;
  readonly #store = createMemoryStore();
  readonly #lost = new Set<string>();
  readonly #recovering = new Set<string>();
  #follower: Follower;
  #agentsMade = 0;
  #events = 0;
  #restarts = 0;
  #failovers = 0;

  constructor(seed: number, size: SimulationSize, tools: SimulationTools) {
    this.#seed = seed;
    this.#size = size;
    this.#tools = tools;
    const random = (this.#random = seededRandom(seed + 1));
    const time = this.#time;
    const cluster = (this.#cluster = createFakeCluster({ seed, clock: time.fakeClock }));
    const claims = (this.#claims = new Claims(cluster));
    this.#masters = new SimMasters(cluster, time, random);
    for (let n = 0; n < size.agents; n++) this.#addAgent(n % 2 === 0 ? 'a' : 'b');
    const hasMarathon = seed % 2 === 1;
    const mode = size.churn > 0 ? 'host' : 'docker-bridge';
    const framework = hasMarathon ? 'batch' : 'marathon';
    const { apps, perApp, marathonApps } = size;
    const isRouted = !hasMarathon;
    this.#scheduler = new Scheduler({ cluster, claims, random, framework, apps, perApp, mode, isRouted });
    this.#marathon = hasMarathon ? new SimMarathon({ cluster, claims, time, random, apps: marathonApps, mode }) : null;
    cluster.onEvent(() => {
      this.#events++;
      time.stir();
    });
    if (size.churn > 0) this.#scheduler.grow();
    this.#follower = this.#open(undefined, tools.spoil);
  }

  async run(): Promise<Simulated> {
    for (this.step = 0; this.step < this.#size.steps; this.step++) {
      for (let n = 0; n < this.#size.churn; n++) await this.#act('apps');
      const did = await this.#act('all');
      this.history.push(`${this.step} ${did}`);
      this.#scheduler.reconcile();
      await this.#time.pass(this.#upTo(20) * 1000 + 50);
      const look = this.step % this.#size.lookEvery === 0 ? 'views' : 'snapshot';
      this.#claims.check(this.#follower.pipeline, `step ${this.step} (${did})`, look);
      this.#tools.onStep?.(this.step, did, this.#cluster.tasks().length);
    }
    await this.#calm();
    return {
      tasks: this.#cluster.tasks().length,
      agents: this.#agents().length,
      marathons: this.#marathon === null ? 0 : 1,
      restarts: this.#restarts,
      failovers: this.#failovers,
      events: this.#events,
      subscriptions: this.#masters.subscriptions,
      readings: this.#masters.readings,
      marathonReadings: this.#marathon?.readings ?? 0,
      looks: this.#claims.looks,
      virtualMinutes: Math.round((this.#time.clock.now() - this.#startedAt) / 60_000),
    };
  }

  async close(): Promise<void> {
    this.#masters.close();
    this.#marathon?.close();
    await Promise.all([this.#follower.stop(), this.#time.pass(1000)]);
    await this.#cluster.close();
  }

  #open(seed: Picture | undefined, spoil: Spoil | undefined): Follower {
    const marathon = this.#marathon === null ? null : { urls: marathonUrls, client: this.#marathon.client };
    const random = seededRandom(this.#seed + 2);
    return openFollower({ seed, time: this.#time, random, open: this.#masters.open, marathon, spoil });
  }

  #upTo(most: number): number {
    return Math.floor(this.#random() * most);
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#upTo(list.length)];
  }

  /** One thing that happens; returns its name, for whoever reads of a failure. */
  async #act(among: 'apps' | 'all'): Promise<string> {
    const own = among === 'apps' ? this.#appActs() : [...this.#appActs(), ...this.#clusterActs()];
    const { name, run } = pickAct(
      [...own, ...(this.#marathon === null ? [] : this.#marathonActs(this.#marathon))],
      this.#random,
    );
    await run();
    return name;
  }

  #appActs(): readonly Act[] {
    const cluster = this.#cluster;
    return [
      { name: 'scale', weight: 6, run: () => this.#scheduler.scale() },
      { name: 'deploy', weight: 4, run: () => this.#scheduler.deploy() },
      { name: 'crash', weight: 4, run: () => this.#onTask((id) => cluster.crash(id)) },
      { name: 'finish unseen', weight: 1, run: () => this.#finishUnseen() },
      { name: 'sick', weight: 2, run: () => this.#onTask((id) => cluster.setHealth(id, false)) },
    ];
  }

  #clusterActs(): readonly Act[] {
    const masters = this.#masters;
    const endings = ['reset', 'end', 'cut', 'garbage', 'half-open'] as const;
    const answers = ['whole', 'whole', 'cut', 'not-json', 'html', 'busy'] as const;
    return [
      { name: 'lose agent', weight: 3, run: () => this.#loseAgent() },
      { name: 'return agent', weight: 3, run: () => this.#returnAgent() },
      { name: 'add agent', weight: 1, run: () => this.#addAgent('c') },
      { name: 'remove agent', weight: 1, run: () => this.#removeAgent() },
      { name: 'other leader', weight: 2, run: () => this.#lead() },
      // Large histories are short.
      { name: 'failover', weight: this.#size.churn > 0 ? 6 : 2, run: () => this.#failover() },
      { name: 're-register', weight: 8, run: () => this.#reregister() },
      { name: 'break stream', weight: 4, run: () => masters.breakStreams(this.#pick(endings) ?? 'end') },
      { name: 'stream faults', weight: 3, run: () => this.#streamFaults() },
      { name: 'answers', weight: 3, run: () => void (masters.answers = this.#pick(answers) ?? 'whole') },
      { name: 'rights', weight: 1, run: () => void (masters.withoutRights = !masters.withoutRights) },
      { name: 'restart', weight: 1, run: () => this.#restart() },
      { name: 'nothing', weight: 4, run: () => undefined },
    ];
  }

  #marathonActs(marathon: SimMarathon): readonly Act[] {
    const share = (): number => (this.#random() < 0.5 ? 0 : this.#random() * 0.5);
    const answers = ['whole', 'whole', 'cut', 'not-json', 'busy', 'slow'] as const;
    const acts: readonly Act[] = [
      { name: 'marathon deploys', weight: 5, run: () => marathon.deploy() },
      { name: 'marathon scales', weight: 4, run: () => marathon.scale() },
      { name: 'marathon restarts an app', weight: 2, run: () => marathon.restart() },
      { name: 'marathon kills', weight: 3, run: () => marathon.kill() },
      { name: 'marathon removes', weight: 1, run: () => marathon.remove() },
      { name: 'marathon fails', weight: 2, run: () => marathon.fail() },
      {
        name: 'marathon’s events break',
        weight: 3,
        run: () => marathon.breakStreams(this.#pick(['reset', 'end', 'silent'] as const) ?? 'end'),
      },
      {
        name: 'marathon’s events are lost',
        weight: 2,
        run: () => void Object.assign(marathon.faults, { lost: share(), torn: share() }),
      },
      { name: 'marathon’s answers', weight: 3, run: () => void (marathon.answers = this.#pick(answers) ?? 'whole') },
      { name: 'marathon has its results again', weight: 2, run: () => void (marathon.withoutResults = false) },
      { name: 'marathon has no events', weight: 1, run: () => void (marathon.hasEvents = !marathon.hasEvents) },
    ];
    if (marathon.isConnected) return acts;
    return [{ name: 'marathon leads', weight: 12, run: () => marathon.lead() }];
  }

  /** Addresses of its own: a net of 254 is soon full. */
  #addAgent(zone: string): void {
    const n = this.#agentsMade++;
    this.#cluster.addAgent({ zone, ip: `10.${16 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}` });
  }

  /** From now on nothing is claimed of the task. */
  #onTask(change: (id: string) => void): void {
    const id = this.#pick(this.#running())?.task_id.value;
    if (id === undefined) return;
    this.#claims.forget(id);
    change(id);
  }

  /** A Marathon that never heard of an end would look after the task for ever. */
  #finishUnseen(): void {
    const task = this.#pick(this.#running());
    if (task === undefined || task.framework_id.value !== this.#scheduler.id) return;
    this.#claims.forget(task.task_id.value);
    this.#cluster.silently(task.task_id.value, 'TASK_FINISHED');
  }

  #running(): ReturnType<FakeCluster['tasks']> {
    return this.#cluster.tasks().filter((task) => task.state === 'TASK_RUNNING');
  }

  #agents(): readonly string[] {
    return this.#cluster.agents().map((agent) => agent.agent_info.id.value);
  }

  #loseAgent(): void {
    const agent = this.#pick(this.#agents());
    if (agent === undefined || this.#agents().length < 3) return;
    this.#claims.forgetAgent(agent);
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
    this.#claims.forgetAgent(agent);
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
    if (this.#random() < 0.5) this.#cluster.resubscribeFramework(this.#scheduler.id);
    const marathon = this.#marathon;
    if (marathon !== null && marathon.leader !== null && this.#random() < 0.5)
      this.#cluster.resubscribeFramework(marathon.frameworkId);
    const waiting = [...this.#recovering];
    for (let n = 0; n < Math.ceil(this.#size.agents / 10); n++) this.#returnRecovered(this.#pick(waiting));
  }

  #returnRecovered(agent: string | undefined): void {
    if (agent === undefined || !this.#recovering.has(agent)) return;
    this.#recovering.delete(agent);
    this.#masters.tookOverAt = this.#time.clock.now();
    // A master without any agent is not believed, and rightly.
    if (this.#random() < 0.85 || this.#agents().length < 2) return this.#cluster.reregisterAgent(agent);
    // It never came back: nobody is told.
    this.#claims.forgetAgent(agent);
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
    this.#follower = this.#open(saved?.picture, this.#tools.spoil);
    const kept = saved?.picture.tasks.filter((task) => task.state === 'TASK_RUNNING').map((task) => task.id as string);
    this.#claims.restarted(new Set(kept));
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
    this.#marathon?.heal();
    await this.#time.pass(quietMs);
    this.#claims.check(this.#follower.pipeline, 'after quiet', 'after quiet');
    const fresh = this.#open(undefined, undefined);
    try {
      await this.#time.pass(10_000);
      this.#compareWith(fresh);
    } finally {
      await Promise.all([fresh.stop(), this.#time.pass(100)]);
    }
  }

  #compareWith(fresh: Follower): void {
    if (!fresh.pipeline.snapshot.synced) throw new Error('a new follower has no picture');
    const [own, wanted] = [printsOf(this.#follower.pipeline), printsOf(fresh.pipeline)];
    for (const name of viewNames) {
      const difference = differing(own[name], wanted[name]);
      if (difference !== null) throw new Error(`after quiet ${name} differs: ${difference}`);
    }
    const shown = [...fresh.pipeline.snapshot.tasks.values()].filter((task) => task.state === 'TASK_RUNNING').length;
    const real = this.#running().length;
    if (shown !== real) throw new Error(`${real} tasks run, ${shown} are shown`);
  }
}
