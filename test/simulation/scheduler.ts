// A scheduler that is no Marathon: as many tasks of each app as are wanted, of its newest version, one step at a time.

import type { FakeCluster } from '../../src/fakes/index.ts';
import type { Random } from '../../src/runtime/index.ts';
import type { Claims } from './claims.ts';

export interface SchedulerOptions {
  readonly cluster: FakeCluster;
  readonly claims: Claims;
  readonly random: Random;
  readonly framework: string;
  /** Of the apps: how many, and tasks that each has at first. */
  readonly apps: number;
  readonly perApp: number;
  /** Large clusters are on their agents' own addresses: the net of a bridge is full soon. */
  readonly mode: 'host' | 'docker-bridge';
  /** Whether its tasks get routes. */
  readonly isRouted: boolean;
}

interface Wanted {
  wanted: number;
  version: number;
  /** With the version that each runs. */
  readonly tasks: Map<string, number>;
}

const isCounted = (state: string): boolean =>
  state === 'TASK_STAGING' || state === 'TASK_STARTING' || state === 'TASK_RUNNING';

export class Scheduler {
  readonly id: string;
  readonly #options: SchedulerOptions;
  readonly #apps = new Map<string, Wanted>();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.id = options.cluster.addFramework({ name: options.framework });
    for (let n = 0; n < options.apps; n++)
      this.#apps.set(`app${n}`, { wanted: options.perApp, version: 0, tasks: new Map() });
  }

  /** All apps at once, before anybody looks. */
  grow(): void {
    const agents = this.#agents();
    for (const [name, { wanted, version }] of this.#apps)
      for (let n = 0; n < wanted; n++) this.#launch(name, version, agents);
  }

  scale(): void {
    this.#onApp((app) => (app.wanted = this.#upTo(3 * this.#options.perApp)));
  }

  deploy(): void {
    this.#onApp((app) => app.version++);
  }

  /** One task more and one less of each app at most, as a scheduler does that is connected. */
  reconcile(): void {
    const { cluster, claims } = this.#options;
    if (!cluster.frameworks().some(({ connected, framework_info: { id } }) => connected && id.value === this.id))
      return;
    const agents = this.#agents();
    for (const [name, { wanted, version, tasks }] of this.#apps) {
      for (const id of tasks.keys()) if (!this.#counts(id)) tasks.delete(id);
      const ids = [...tasks.keys()];
      const current = ids.filter((id) => tasks.get(id) === version);
      const isMissing = current.length < wanted && agents.length > 0;
      if (isMissing) this.#launch(name, version, agents);
      const id = ids.find((one) => tasks.get(one) !== version) ?? (current.length > wanted ? current[0] : undefined);
      if (id === undefined || ids.length + (isMissing ? 1 : 0) <= Math.min(1, wanted)) continue;
      claims.forget(id);
      cluster.end(id, 'TASK_KILLED');
    }
  }

  /** Schedulers know their tasks through a failover of the master; those of lost agents are given up. */
  #counts(id: string): boolean {
    const state = this.#options.cluster.task(id)?.state;
    return state !== undefined && isCounted(state) && isCounted(this.#options.cluster.taskOnAgent(id)?.state ?? state);
  }

  #onApp(change: (app: Wanted) => void): void {
    const app = this.#apps.get(`app${this.#upTo(this.#options.apps)}`);
    if (app !== undefined) change(app);
  }

  #agents(): readonly string[] {
    return this.#options.cluster.agents().map((agent) => agent.agent_info.id.value);
  }

  #launch(name: string, version: number, agents: readonly string[]): void {
    const { cluster, claims, framework, mode, isRouted } = this.#options;
    const agent = agents[this.#upTo(agents.length)] as string;
    const labels = { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: `${name}.example`, version: `v${version}` };
    const port = { name: 'http', containerPort: 8080, hostPort: 0, labels: { VIP_0: `/${name}:80` } };
    const spec = { framework: this.id, name, agent, labels, ports: [port], network: { mode } };
    const id = cluster.launch(spec);
    this.#apps.get(name)?.tasks.set(id, version);
    cluster.starting(id);
    cluster.running(id, { healthy: true });
    const at = cluster.address(id, 0);
    const address = `${at.host}:${at.port}`;
    claims.claim(id, { name, framework, frameworkId: this.id, agent, address, isRouted, isOfMarathon: false });
  }

  #upTo(most: number): number {
    return Math.floor(this.#options.random() * most);
  }
}
