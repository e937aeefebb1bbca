// Control: watches the cluster, keeps snapshot and views, tells the workers, and answers people on the admin address. Carries no
// traffic; when it dies the workers serve on.

import type { Plane } from '../ports/index.ts';
import type { Commands } from '../../lb/index.ts';
import { messageOf, type Clock, type Logger, type Metrics, type Random } from '../runtime/index.ts';
import type { ControlServer } from './admin/control-server.ts';
import { startAdmin } from './admin/server.ts';
import type { Certificates } from './certificates.ts';
import type { Channel } from './channel.ts';
import type { Config } from './config/index.ts';
import { composeControl, type ControlParts } from './compose-control.ts';
import { haproxyServer } from './haproxy-endpoints.ts';
import type { ReadySocket } from './inherit.ts';
import { createFirstTables, liveWithinMs } from './first-tables.ts';
import { createKernelLink } from './kernel-link.ts';
import type { HealthKeeper } from './health-keeper.ts';
import { createLinks, type Links } from './links.ts';
import type { ControlMessage, WorkerMessage } from './message.ts';
import { mayChangeNames } from './open-certificates.ts';
import { createPipeline, type Pipeline } from './pipeline.ts';
import { registerLimits } from './process-limits.ts';
import { createReadiness, type Readiness } from './readiness.ts';
import type { AnyRecord } from './tables.ts';
import { watchCluster, type ClusterWatch } from './watch.ts';
import type { BindFailure } from './sockets.ts';
import type { VipPlaneChoice } from './vip-plane.ts';

/** Without a first picture by then, the functions open all the same: forwarding needs no cluster, and DNS says SERVFAIL. */
const startAnywayMs = 1_000;

export interface ControlOptions {
  readonly config: Config;
  readonly configFile: string;
  readonly generation: number;
  /** As in `ChildInit`. */
  readonly edition: number;
  /** Takes the place of a control process that died. */
  readonly respawned: boolean;
  /** As in `ChildInit`. */
  readonly servesAlready: boolean;
  readonly vipPlane: VipPlaneChoice;
  /** Starts what programs the kernel. */
  readonly commands: Commands;
  /** Workers that belong to it. */
  readonly workers: number;
  readonly sockets: readonly ReadySocket[];
  readonly failures: readonly BindFailure[];
  readonly readyTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onReady: () => void;
  /** The first complete tables are out. */
  readonly onPicture: () => void;
  readonly onHopeless: () => void;
  /** Asks that the configuration file be applied anew. */
  readonly reload: () => void;
}

export interface Control {
  addWorker(channel: Channel<ControlMessage, WorkerMessage>): void;
  /** `GET /ready` says no from now on. */
  turnUnready(): void;
  reopenLogs(): void;
  /** The workers are told to take an edition of the configuration in place: says that it is ready once all have. */
  expect(edition: number): void;
  stop(): Promise<void>;
}

/** What the admin API may see and do. */
export interface ControlRoom {
  readonly options: ControlOptions;
  readonly pipeline: Pipeline;
  readonly links: Links;
  readonly readiness: Readiness;
  readonly explain: ControlParts['explain'];
  /** Seconds from an event's arrival to the moment when every worker served by it, for the last one. */
  readonly lagSeconds: () => number;
  resync(): void;
  readonly health: HealthKeeper['health'];
  /** Null: TLS is not served. */
  readonly certificates: Certificates | null;
}

export async function startControl(options: ControlOptions): Promise<Control> {
  const { config, clock, log, metrics } = options;
  const composed = await composeControl(options);
  const lag = createLagMeter(clock);
  // Its addresses are answered by a former generation until this one is ready: a load balancer that asks must not hear of its start.
  const isSuccessor = options.servesAlready && !options.respawned;
  let firstVersion: number | null = null;
  let certificates: Certificates | null = null;
  let watching: ClusterWatch | null = null;
  const pipeline = createPipeline({
    views: composed.views,
    allocation: composed.allocation,
    clock,
    log,
    onPublish(from, changes) {
      keeper.published(changes, from === null);
      lag.published(pipeline.version);
      if (from === null) {
        firstVersion = pipeline.version;
        firstTables.made();
      } else {
        links.note(changes);
        if (firstTables.areOut) (kernel ?? links).publish(from, changes);
        else firstTables.look();
      }
      if (from === null || (changes.routes !== undefined && mayChangeNames(changes.routes)))
        certificates?.routesChanged();
      readiness.look();
    },
  });
  /** Workers may have the tables: what control itself programs is in force. */
  let isOut = false;
  const publishWhole = (): void => {
    isOut = true;
    links.publishWhole();
    links.start();
  };
  const names = new Set(config.cluster.map(({ kind, name }) => `${kind} ${name}`));
  const firstTables = createFirstTables({
    ...options,
    isLive: () => {
      const { sources, version } = pipeline.snapshot;
      const states = [...sources.values()];
      // Else what the last of them said is not in the tables yet.
      return (
        pipeline.version === version && states.length >= names.size && states.every(({ state }) => state === 'live')
      );
    },
    onOut() {
      options.onPicture();
      if (kernel === null) publishWhole();
      else kernel.publishWhole();
    },
  });
  const vips = pipeline.tables.get('vips');
  const kernel =
    composed.kernel === null || vips === undefined
      ? null
      : createKernelLink({
          ...options,
          plane: composed.kernel.plane as Plane<AnyRecord> & typeof composed.kernel.plane,
          table: vips,
          onWhole: publishWhole,
          onChanges: (from, changes) => links.publish(from, changes),
        });
  const links = createLinks({
    published: () => (isOut ? pipeline : null),
    generation: options.generation,
    clock,
    log,
    onChange() {
      lag.applied(Math.min(...links.states().map((link) => link.appliedVersion)));
      readiness.look();
    },
    onTries: (reports) => keeper.health.hear(reports),
  });
  const readiness = createReadiness({
    ...options,
    problems: () => [
      ...composed.problems,
      ...(watching?.problems() ?? []),
      ...(kernel?.problems() ?? []),
      ...certificateProblems(certificates),
    ],
    listeners: () => (composed.kernel === null ? {} : { 'vips.kernel': composed.kernel.listeners() }),
    snapshot: () => pipeline.snapshot,
    firstVersion: () => firstVersion,
    diagnostics: () => (pipeline.version < 0 ? [] : pipeline.diagnostics()),
    links: () => links.states(),
    onReady: () => void open().then(options.onReady),
  });
  const keeper = await composed.openHealth({
    snapshot: () => pipeline.snapshot,
    onEvents: (events) => pipeline.fold(events),
  });
  certificates = await composed.openCertificates((material) => links.publishTls(material));
  const startAnyway = isSuccessor
    ? null
    : clock.after(options.servesAlready ? liveWithinMs : startAnywayMs, () => links.start());
  const watch = watchCluster({
    open: composed.openOrchestrator,
    store: composed.store,
    clock,
    log,
    snapshot: () => pipeline.snapshot,
    onEvents(events) {
      lag.arrived();
      pipeline.fold(events);
      firstTables.look();
    },
  });
  watching = watch;
  const room: ControlRoom = {
    options,
    pipeline,
    links,
    readiness,
    explain: composed.explain,
    lagSeconds: lag.seconds,
    resync: () => watch.restart(),
    health: keeper.health,
    certificates,
  };
  registerMetrics(metrics, room);
  registerLimits(metrics, 'control');
  const servers = [
    ...composed.servers,
    ...(config.admin === null ? [] : [startAdmin(room)]),
    ...(config.router?.haproxyEndpoints ? [haproxyServer(room)] : []),
  ];
  let opening: Promise<void> | null = null;
  function open(): Promise<void> {
    return (opening ??= startAll(servers, log));
  }
  if (!isSuccessor) await open();
  return {
    addWorker: (channel) => links.add(channel),
    turnUnready: () => readiness.turnUnready(),
    reopenLogs: () => links.reopenLogs(),
    expect: (edition) => readiness.expect(edition),
    async stop() {
      startAnyway?.cancel();
      firstTables.stop();
      readiness.stop();
      await watch.stop();
      keeper.stop();
      await certificates?.stop();
      pipeline.stop();
      await kernel?.stop();
      links.close();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

async function startAll(servers: readonly ControlServer[], log: Logger): Promise<void> {
  const opened = await Promise.allSettled(servers.map((server) => server.start()));
  for (const result of opened)
    if (result.status === 'rejected') log.error({ error: messageOf(result.reason) }, 'listener of control failed');
}

function certificateProblems(certificates: Certificates | null): readonly string[] {
  return (certificates?.problems() ?? []).map(({ origin, reason, hint }) => `certs: ${origin}: ${reason}; ${hint}`);
}

function registerMetrics(metrics: Metrics, room: ControlRoom): void {
  const age = metrics.gauge(
    'orchestrator_snapshot_age_seconds',
    'Seconds since a source last spoke, or since the start where it never did.',
    ['source'],
    'max',
  );
  const lag = metrics.gauge(
    'orchestrator_event_lag_seconds',
    'Seconds from the last event to its effect in every worker.',
    [],
    'max',
  );
  const version = metrics.gauge('orchestrator_snapshot_version', 'Version of the snapshot.', [], 'max');
  const tasks = metrics.gauge('orchestrator_tasks', 'Tasks in the snapshot.', [], 'max');
  const workers = metrics.gauge('daemon_workers', 'Workers that are connected.', [], 'max');
  const labels = metrics.gauge('label_diagnostics', 'Labels that could not be honoured.', ['severity'], 'max');
  const startedAt = room.options.clock.now();
  metrics.onRead(() => {
    const { snapshot } = room.pipeline;
    for (const [name, source] of snapshot.sources)
      age.cell(name).value = (room.options.clock.now() - Math.max(source.seenAt, startedAt)) / 1000;
    lag.cell().value = room.lagSeconds();
    version.cell().value = snapshot.version;
    tasks.cell().value = snapshot.tasks.size;
    workers.cell().value = room.links.states().length;
    const diagnostics = room.pipeline.version < 0 ? [] : room.pipeline.diagnostics();
    for (const severity of ['info', 'warn', 'error']) {
      labels.cell(severity).value = diagnostics.filter((one) => one.severity === severity).length;
    }
  });
}

interface LagMeter {
  arrived(): void;
  published(version: number): void;
  applied(version: number): void;
  seconds(): number;
}

/** Times the way of the oldest event that is still under way. */
function createLagMeter(clock: Clock): LagMeter {
  let arrivedAt: number | null = null;
  let underWay: { readonly version: number; readonly since: number } | null = null;
  let last = 0;
  return {
    arrived: () => void (arrivedAt ??= clock.monotonic()),
    published(version) {
      if (arrivedAt !== null) underWay ??= { version, since: arrivedAt };
      arrivedAt = null;
    },
    applied(version) {
      if (underWay === null || version < underWay.version) return;
      last = (clock.monotonic() - underWay.since) / 1000;
      underWay = null;
    },
    seconds: () => last,
  };
}
