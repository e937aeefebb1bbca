// Agents, frameworks and hosts of tasks that are known by a name only: looked up beside the events, never in their way, and told again with what was
// found. What a name had stays true while it cannot be looked up.

import { lookup } from 'node:dns/promises';
import {
  splitHostPort,
  type Agent,
  type AgentId,
  type ClusterEvent,
  type Framework,
  type FrameworkId,
  type Picture,
  type Task,
  type TaskKey,
} from '../cluster/index.ts';
import type { Clock, Timer } from '../runtime/index.ts';
import { isIp } from './mesos/fields.ts';

/** Addresses of a host name, IPv4 first. Rejects where there are none. */
export type HostLookup = (host: string) => Promise<readonly string[]>;

const systemLookup: HostLookup = async (host) =>
  (await lookup(host, { all: true, order: 'ipv4first' })).map(({ address }) => address);

/** Names are looked up again this often, and sooner where nothing was found. */
const refreshMs = 60_000;
const retryMs = 5_000;

export interface HostNamesOptions {
  readonly clock: Clock;
  readonly lookup?: HostLookup | undefined;
  /** Tasks that name the host of their agent themselves are filled too. Absent: no. */
  readonly ofTasks?: boolean | undefined;
  /** Records that are the same as before but for their addresses. */
  readonly onFound: (events: readonly ClusterEvent[]) => void;
}

export class HostNames {
  readonly #options: HostNamesOptions;
  readonly #fillsTasks: boolean;
  /** As the source told them, of those that lack an address. */
  readonly #agents = new Map<AgentId, Agent>();
  readonly #frameworks = new Map<FrameworkId, Framework>();
  readonly #tasks = new Map<TaskKey, Task>();
  /** Those that name their agent's host themselves, by it. */
  readonly #named = new Map<string, Map<TaskKey, Task>>();
  readonly #hostOf = new Map<TaskKey, string>();
  readonly #found = new Map<string, readonly string[]>();
  readonly #timers = new Map<string, Timer>();
  #isStopped = false;

  constructor(options: HostNamesOptions) {
    this.#options = options;
    this.#fillsTasks = options.ofTasks === true;
  }

  /** The batch with the addresses that are known by now. */
  fill(batch: readonly ClusterEvent[]): readonly ClusterEvent[] {
    return batch.map((event) => this.#fillEvent(event));
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #fillEvent(event: ClusterEvent): ClusterEvent {
    switch (event.type) {
      case 'resync':
        return { type: 'resync', picture: this.#fillPicture(event.picture) };
      case 'agent':
        this.#agents.delete(event.id);
        return event.agent === null ? event : { ...event, agent: this.#fillAgent(event.agent) };
      case 'framework':
        this.#frameworks.delete(event.id);
        return event.framework === null ? event : { ...event, framework: this.#fillFramework(event.framework) };
      case 'task':
        this.#dropTask(event.key);
        return event.task === null ? event : { ...event, task: this.#fillTask(event.task) };
      default:
        return event;
    }
  }

  #fillPicture(picture: Picture): Picture {
    this.#agents.clear();
    this.#frameworks.clear();
    this.#tasks.clear();
    this.#named.clear();
    this.#hostOf.clear();
    const agents = picture.agents.map((agent) => this.#fillAgent(agent));
    const frameworks = picture.frameworks.map((framework) => this.#fillFramework(framework));
    return { ...picture, agents, frameworks, tasks: picture.tasks.map((task) => this.#fillTask(task)) };
  }

  #fillAgent(agent: Agent): Agent {
    const host = agent.ip === null ? nameIn(agent.hostname) : null;
    if (host === null) return agent;
    this.#agents.set(agent.id, agent);
    const ips = this.#addressesOf(host);
    return ips[0] === undefined ? agent : Object.freeze({ ...agent, ip: ips[0], ips });
  }

  #fillFramework(framework: Framework): Framework {
    const host = hostOfFramework(framework);
    if (host === null) return framework;
    this.#frameworks.set(framework.id, framework);
    const ips = this.#addressesOf(host);
    return ips.length === 0 ? framework : Object.freeze({ ...framework, ips });
  }

  #fillTask(task: Task): Task {
    const host = task.agentHost === undefined || !this.#fillsTasks ? null : nameIn(task.agentHost);
    if (host !== null) return this.#fillNamed(task, host);
    const agent = task.agentIp === null && task.agentId !== null ? this.#agents.get(task.agentId) : undefined;
    if (agent === undefined) return task;
    this.#tasks.set(task.key, task);
    const { ip, ips } = this.#fillAgent(agent);
    return ip === null ? task : Object.freeze({ ...task, agentIp: ip, agentIps: ips });
  }

  /** A saved task has the address that its host had: the best that is known until it is looked up. */
  #fillNamed(task: Task, host: string): Task {
    if (task.agentIp !== null && !this.#found.has(host)) this.#found.set(host, task.agentIps);
    const tasks = this.#named.get(host);
    if (tasks === undefined) this.#named.set(host, new Map([[task.key, task]]));
    else tasks.set(task.key, task);
    this.#hostOf.set(task.key, host);
    const ips = this.#addressesOf(host);
    return ips[0] === undefined ? task : Object.freeze({ ...task, agentIp: ips[0], agentIps: ips });
  }

  #dropTask(key: TaskKey): void {
    this.#tasks.delete(key);
    const host = this.#hostOf.get(key);
    if (host === undefined) return;
    this.#hostOf.delete(key);
    const tasks = this.#named.get(host);
    if (tasks?.delete(key) === true && tasks.size === 0) this.#named.delete(host);
  }

  #addressesOf(host: string): readonly string[] {
    if (host === 'localhost') return loopback;
    if (!this.#timers.has(host) && !this.#isStopped) {
      this.#timers.set(
        host,
        this.#options.clock.after(refreshMs, () => undefined),
      );
      void this.#look(host);
    }
    return this.#found.get(host) ?? [];
  }

  /** Never rejects. Looks again later for as long as somebody has the name. */
  async #look(host: string): Promise<void> {
    const before = this.#found.get(host);
    const ips = await (this.#options.lookup ?? systemLookup)(host).catch(() => null);
    if (this.#isStopped) return;
    this.#timers.get(host)?.cancel();
    if (!this.#isUsed(host)) {
      this.#timers.delete(host);
      this.#found.delete(host);
      return;
    }
    if (ips !== null) this.#found.set(host, Object.freeze([...ips]));
    const waitMs = ips === null && before === undefined ? retryMs : refreshMs;
    this.#timers.set(
      host,
      this.#options.clock.after(waitMs, () => void this.#look(host)),
    );
    if (ips !== null && ips.join() !== before?.join()) this.#tell(host);
  }

  #isUsed(host: string): boolean {
    if (this.#named.has(host)) return true;
    for (const agent of this.#agents.values()) if (nameIn(agent.hostname) === host) return true;
    for (const framework of this.#frameworks.values()) if (hostOfFramework(framework) === host) return true;
    return false;
  }

  #tell(host: string): void {
    const events: ClusterEvent[] = [];
    for (const [id, agent] of this.#agents)
      if (nameIn(agent.hostname) === host) events.push({ type: 'agent', id, agent: this.#fillAgent(agent) });
    for (const [id, framework] of this.#frameworks)
      if (hostOfFramework(framework) === host)
        events.push({ type: 'framework', id, framework: this.#fillFramework(framework) });
    for (const [key, task] of this.#tasks) {
      const agent = task.agentId === null ? undefined : this.#agents.get(task.agentId);
      if (agent !== undefined && nameIn(agent.hostname) === host)
        events.push({ type: 'task', key, task: this.#fillTask(task) });
    }
    for (const [key, task] of this.#named.get(host) ?? [])
      events.push({ type: 'task', key, task: this.#fillNamed(task, host) });
    this.#options.onFound(events);
  }
}

/** RFC 6761 §6.3: the same everywhere. */
const loopback: readonly string[] = Object.freeze(['127.0.0.1']);

/** A host name to look up; null for what is an address, or nothing. */
function nameIn(text: string): string | null {
  const host = text.trim().toLowerCase();
  return host === '' || isIp(host) || !/^[a-z0-9._-]{1,253}$/.test(host) ? null : host;
}

/** Where a framework's scheduler is by name: the host of its pid, else its host name (specs/dns.md §2.2). */
function hostOfFramework({ pid, hostname }: Framework): string | null {
  if (pid === null) return nameIn(hostname);
  return nameIn(splitHostPort(pid.trim().replace(/^[^@]*@/, ''))?.host ?? '');
}
