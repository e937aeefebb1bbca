// A Marathon without sockets beside the masters: its apps come, go, grow and roll; its answers are late, cut or wrong, its stream of
// events loses some, breaks or falls silent, and its members fail over.

import { Readable } from 'node:stream';
import type { FakeCluster, PodDefinition, SourceEvent } from '../../src/fakes/index.ts';
import { MarathonActions } from '../../src/fakes/marathon-actions.ts';
import type { AppDefinition } from '../../src/fakes/marathon-app.ts';
import { MarathonCore } from '../../src/fakes/marathon-core.ts';
import { createEventHub, type EventHub, type MarathonEvent } from '../../src/fakes/marathon-events.ts';
import { MarathonReads } from '../../src/fakes/marathon-reads.ts';
import type { MarathonClient } from '../../src/orchestrator/marathon/client.ts';
import { createSplitter, type Cut } from '../../src/orchestrator/mesos/split.ts';
import { IsthmusError, sleep, type Random } from '../../src/runtime/index.ts';
import type { Claims } from './claims.ts';
import type { VirtualTime } from './virtual-time.ts';

export const marathonUrls = ['http://10.9.1.1:8080', 'http://10.9.1.2:8080'] as const;

export interface SimMarathonOptions {
  readonly cluster: FakeCluster;
  readonly claims: Claims;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly apps: number;
  readonly mode: 'host' | 'docker-bridge';
}

const heartbeatMs = 10_000;
const pieceBytes = 64 * 1024;
const embeds: ReadonlySet<string> = new Set(['apps.tasks', 'apps.deployments', 'apps.readiness']);

export class SimMarathon {
  readonly frameworkId: string;
  /** Shares of events that are lost, and of pieces that are torn. */
  readonly faults = { lost: 0, torn: 0 };
  /** Null: an election is under way. */
  leader: number | null = 0;
  readonly down = new Set<number>();
  answers: 'whole' | 'cut' | 'not-json' | 'busy' | 'slow' = 'whole';
  hasEvents = true;
  /** Whether the results of its health checks are gone, as they are after a failover. */
  withoutResults = false;
  readings = 0;
  readonly #options: SimMarathonOptions;
  readonly #hub: EventHub;
  readonly #core: MarathonCore;
  readonly #actions: MarathonActions;
  readonly #reads: MarathonReads;
  readonly #streams = new Set<EventStream>();
  #versions = 0;

  readonly client: MarathonClient = {
    read: (base, path, cuts, signal) => this.#read(base, path, cuts, signal),
    events: (base, signal) => this.#events(base, signal),
    close: () => Promise.resolve(),
  };

  constructor(options: SimMarathonOptions) {
    const { cluster, time, random } = options;
    this.#options = options;
    this.#hub = createEventHub(time.fakeClock, heartbeatMs, random);
    this.#hub.onEvent(time.stir);
    this.frameworkId = cluster.addFramework({ name: 'marathon' });
    this.#core = new MarathonCore(cluster, this.#hub, {
      frameworkId: this.frameworkId,
      role: '*',
      idStyle: 'instance',
      launchDelayMs: 200,
      backoffMs: 1000,
      killUnhealthy: false,
    });
    this.#actions = new MarathonActions(this.#core, 10_000);
    this.#reads = new MarathonReads(this.#core, this.#actions, { networking: 'new' });
    cluster.onEvent((event) => this.#claim(event));
    for (let n = 0; n < options.apps; n++) this.#put(n);
  }

  /** Whether it may start and kill. */
  get isConnected(): boolean {
    const own = this.#options.cluster.frameworks().find(({ framework_info: { id } }) => id.value === this.frameworkId);
    return this.leader !== null && own?.connected === true;
  }

  /** A new version, which takes the place of whatever is under way. */
  deploy(): void {
    this.#put(this.#upTo(this.#options.apps));
  }

  scale(): void {
    const id = this.#someApp();
    if (id !== undefined) this.#actions.scale(id, this.#upTo(5), { force: true });
  }

  restart(): void {
    const id = this.#someApp();
    if (id !== undefined) this.#actions.restart(id, { force: true });
  }

  remove(): void {
    const id = this.#someApp();
    if (id !== undefined) this.#actions.remove(id, { force: true });
  }

  kill(): void {
    const ids = [...this.#core.records.values()].flatMap(({ instances }) =>
      instances.flatMap(({ taskIds }) => taskIds),
    );
    const id = ids[this.#upTo(ids.length)];
    if (id !== undefined) this.#actions.killTasks([id], { scale: this.#options.random() < 0.3 });
  }

  breakStreams(how: 'reset' | 'end' | 'silent'): void {
    for (const stream of this.#streams) stream.break(how);
    if (how !== 'silent') this.#streams.clear();
  }

  /** Its leader dies: nobody leads, streams end, and Mesos knows a scheduler that is away. */
  fail(): void {
    this.breakStreams(this.#options.random() < 0.5 ? 'end' : 'reset');
    this.leader = null;
    this.#options.cluster.disconnectFramework(this.frameworkId);
  }

  /** Another leads, which has no results of checks yet, and speaks to Mesos again. */
  lead(): void {
    if (this.leader !== null) return;
    this.leader = this.#upTo(marathonUrls.length);
    this.withoutResults = true;
    this.down.clear();
    if (this.#options.random() < 0.3) this.down.add((this.leader + 1) % marathonUrls.length);
    this.#options.cluster.resubscribeFramework(this.frameworkId);
  }

  /** Ends all faults. */
  heal(): void {
    this.lead();
    Object.assign(this.faults, { lost: 0, torn: 0 });
    this.answers = 'whole';
    this.hasEvents = true;
    this.withoutResults = false;
    this.down.clear();
    this.#core.notify();
  }

  close(): void {
    this.breakStreams('end');
    this.#core.close();
  }

  #put(n: number): void {
    const id = appId(n);
    const version = String(this.#versions++);
    const instances = this.#core.records.get(id)?.target ?? 1 + (n % 3);
    const { mode } = this.#options;
    if (n % 5 === 4) this.#actions.putPod(podOf(id, instances, version), { force: true });
    else this.#actions.putApp(appOf(n, { id, instances, version, mode }), { force: true });
  }

  #someApp(): string | undefined {
    const ids = [...this.#core.records.values()].flatMap(({ id, app, removed }) =>
      app === undefined || removed ? [] : [id],
    );
    return ids[this.#upTo(ids.length)];
  }

  #upTo(most: number): number {
    return Math.floor(this.#options.random() * most);
  }

  /** A task is claimed from the word that it runs, and is well, until any other. */
  #claim({ event }: SourceEvent): void {
    if (event?.type !== 'TASK_UPDATED' || event.task_updated.framework_id.value !== this.frameworkId) return;
    const { status, state } = event.task_updated;
    const { cluster, claims } = this.#options;
    const id = status.task_id.value;
    const task = cluster.task(id);
    const isWell = status.healthy ?? task?.health_check === undefined;
    if (state !== 'TASK_RUNNING' || status.state !== 'TASK_RUNNING' || !isWell) {
      if (
        state !== 'TASK_STAGING' &&
        state !== 'TASK_STARTING' &&
        !(state === 'TASK_RUNNING' && status.healthy !== false)
      )
        claims.forget(id);
      return;
    }
    const { host, port } = cluster.address(id, 0);
    claims.claim(id, {
      name: task?.discovery?.name ?? '',
      framework: 'marathon',
      frameworkId: this.frameworkId,
      agent: status.agent_id.value,
      address: `${host}:${port}`,
      isRouted: task?.executor_id === undefined,
      isOfMarathon: true,
    });
  }

  async #read(base: URL, path: string, cuts: readonly Cut[], signal: AbortSignal): Promise<unknown> {
    this.#checkLeader(base);
    this.readings++;
    const bytes = Buffer.from(this.answers === 'not-json' ? '{"apps": [oops' : JSON.stringify(this.#document(path)));
    if (this.answers === 'busy') throw problem('UPSTREAM_REFUSED', 'is too busy (503)');
    await this.#arrive(signal);
    const splitter = createSplitter({ cuts, onBadElement: (at, reason) => raise(`not JSON: ${at}: ${reason}`) });
    const most = this.answers === 'cut' ? bytes.length / 2 : bytes.length;
    for (let at = 0; at < most; at += pieceBytes) splitter.push(bytes.subarray(at, Math.min(most, at + pieceBytes)));
    if (this.answers === 'cut') throw problem('UPSTREAM_UNREACHABLE', 'other side closed');
    try {
      return splitter.end();
    } catch {
      throw problem('UPSTREAM_GARBAGE', 'not JSON');
    }
  }

  /** What was written may be old when it arrives. */
  async #arrive(signal: AbortSignal): Promise<void> {
    await Promise.resolve();
    if (this.answers === 'slow') await sleep(this.#options.time.clock, this.#upTo(20_000), signal);
    this.#options.time.stir();
    if (signal.aborted) throw new Error('aborted');
  }

  async #events(base: URL, signal: AbortSignal): Promise<Readable | null> {
    this.#checkLeader(base);
    await this.#arrive(signal);
    if (!this.hasEvents) return null;
    const { time, random } = this.#options;
    const stream = new EventStream(this.#hub, time, random, this.faults);
    this.#streams.add(stream);
    signal.addEventListener('abort', () => stream.body.destroy(), { once: true });
    stream.body.once('close', () => this.#streams.delete(stream));
    return stream.body;
  }

  #checkLeader(base: URL): void {
    const index = marathonUrls.findIndex((url) => new URL(url).host === base.host);
    this.#options.time.stir();
    if (index < 0 || this.down.has(index)) throw problem('UPSTREAM_UNREACHABLE', 'ECONNREFUSED');
    if (this.leader === null) throw problem('UPSTREAM_REFUSED', 'knows no leader (502)');
  }

  #document(path: string): unknown {
    if (path === '/v2/info') return { name: 'marathon', frameworkId: this.frameworkId };
    const reads = this.#reads;
    if (path === '/v2/pods::status')
      return reads.pods().flatMap((record) => (record.pod === undefined ? [] : [reads.podStatus(record, record.pod)]));
    const apps = reads
      .apps()
      .flatMap((record) => (record.app === undefined ? [] : [reads.appJson(record, record.app, embeds)]));
    return { apps: this.withoutResults ? apps.map(unchecked) : apps };
  }
}

const appId = (n: number): string => (n % 2 === 0 ? `/m${n}` : `/shop/m${n}`);

interface AppFacts {
  readonly id: string;
  readonly instances: number;
  readonly version: string;
  readonly mode: 'host' | 'docker-bridge';
}

/** Of each kind that is shown in its own way: without checks, with Mesos's, with Marathon's own, and with readiness. */
function appOf(n: number, { id, instances, version, mode }: AppFacts): AppDefinition {
  const name = id.slice(1).replaceAll('/', '-');
  const port = { name: 'http', labels: { VIP_0: `/${name}:80` } };
  const mapping = { ...port, containerPort: 8080, hostPort: 0 };
  const isOnHost = mode === 'host' || n % 5 === 3;
  const kinds = [
    {},
    { healthChecks: [{ protocol: 'MESOS_HTTP', path: '/' }] },
    { healthChecks: [{ protocol: 'HTTP', path: '/', intervalSeconds: 10 }] },
    {
      readinessChecks: [{ portName: 'http', path: '/ready' }],
      healthChecks: [{ protocol: 'TCP', intervalSeconds: 15 }],
    },
  ];
  return {
    id,
    instances,
    cpus: 0.1,
    env: { VERSION: version },
    labels: { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: `${name}.example` },
    taskKillGracePeriodSeconds: 5,
    ...(isOnHost
      ? { networks: [{ mode: 'host' }], portDefinitions: [{ ...port, port: 0 }] }
      : {
          networks: [{ mode: 'container/bridge' }],
          container: { type: 'DOCKER', docker: { image: 'web' }, portMappings: [mapping] },
        }),
    ...kinds[n % 5],
  };
}

function podOf(id: string, instances: number, version: string): PodDefinition {
  const name = id.slice(1).replaceAll('/', '-');
  const endpoint = {
    name: 'http',
    containerPort: 8080,
    hostPort: 0,
    protocol: ['tcp'],
    labels: { VIP_0: `/${name}:80` },
  };
  return {
    id,
    networks: [{ mode: 'host' }],
    scaling: { kind: 'fixed', instances },
    environment: { VERSION: version },
    containers: [{ name: 'main', endpoints: [endpoint], resources: { cpus: 0.1, mem: 32 } }],
  } as PodDefinition;
}

function unchecked(app: Record<string, unknown>): Record<string, unknown> {
  const tasks = app['tasks'] as readonly Record<string, unknown>[];
  return { ...app, tasks: tasks.map((task) => ({ ...task, healthCheckResults: [] })) };
}

const problem = (
  code: 'UPSTREAM_GARBAGE' | 'UPSTREAM_REFUSED' | 'UPSTREAM_UNREACHABLE',
  reason: string,
): IsthmusError => new IsthmusError(code, reason, { side: 'upstream', retryable: true });

function raise(reason: string): never {
  throw problem('UPSTREAM_GARBAGE', reason);
}

class EventStream {
  /** In object mode each push is a chunk of its own. */
  readonly body = new Readable({ objectMode: true, read: () => undefined });
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #faults: { readonly lost: number; readonly torn: number };
  #isSilent = false;
  #stops: (() => void)[];

  constructor(
    hub: EventHub,
    time: VirtualTime,
    random: Random,
    faults: { readonly lost: number; readonly torn: number },
  ) {
    this.#time = time;
    this.#random = random;
    this.#faults = faults;
    const beat = (): void => {
      this.#push('\r');
      this.#push('\n');
      this.#stops[1] = time.fakeClock.after(heartbeatMs, beat);
    };
    this.#stops = [hub.onEvent((event) => this.#tell(event)), () => undefined];
    this.body.on('error', () => undefined);
    this.body.once('close', () => this.#stop());
    beat();
  }

  break(how: 'reset' | 'end' | 'silent'): void {
    if (how === 'silent') this.#isSilent = true;
    else if (how === 'reset') this.body.destroy(new Error('ECONNRESET'));
    else if (!this.body.destroyed) this.body.push(null);
    if (how === 'end') this.#stop();
  }

  #tell(event: MarathonEvent): void {
    if (this.#random() < this.#faults.lost) return;
    const frame = `event: ${event.eventType}\r\ndata: ${JSON.stringify(event)}\r\n\r\n`;
    if (this.#random() >= this.#faults.torn) return this.#push(frame);
    const at = Math.floor(this.#random() * frame.length);
    this.#push(frame.slice(0, at));
    this.#push(frame.slice(at));
  }

  #push(text: string): void {
    if (this.#isSilent || this.body.destroyed) return;
    this.#time.stir();
    this.body.push(Buffer.from(text));
  }

  #stop(): void {
    this.#isSilent = true;
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }
}
