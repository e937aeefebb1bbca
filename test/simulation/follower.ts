// One daemon's control without its sockets: sources, merge, snapshot and views, in the simulation's time.

import type { ClusterEvent, Picture } from '../../src/cluster/index.ts';
import { noAllocation } from '../../src/daemon/allocation.ts';
import { createPipeline, type Pipeline } from '../../src/daemon/pipeline.ts';
import {
  createMarathonOrchestrator,
  createMesosOrchestrator,
  mergeOrchestrators,
  partOfMarathon,
  partOfMesos,
  seedSource,
  type MarathonOptions,
  type MesosOptions,
} from '../../src/orchestrator/index.ts';
import type { Orchestrator } from '../../src/ports/index.ts';
import { createMetrics, silentLogger, type Random } from '../../src/runtime/index.ts';
import { viewsOf } from './presence.ts';
import { masterUrls } from './sim-masters.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface FollowerOptions {
  /** What was saved before; undefined: nothing. */
  readonly seed: Picture | undefined;
  readonly random: Random;
  /** Calls a master. */
  readonly open: NonNullable<MesosOptions['open']>;
  /** Calls a Marathon; null: there is none, and apps are made up from labels. */
  readonly marathon: { readonly urls: readonly string[]; readonly client: MarathonOptions['client'] } | null;
  readonly time: VirtualTime;
  /** Between the sources and the snapshot: breaks what is told, to see that it is noticed. */
  readonly spoil?: Spoil | undefined;
}

export type Spoil = (events: readonly ClusterEvent[]) => readonly ClusterEvent[];

export interface Follower {
  readonly pipeline: Pipeline;
  stop(): Promise<void>;
}

export function openFollower(options: FollowerOptions): Follower {
  const { seed, time, marathon, spoil = (events) => events } = options;
  const { clock } = time;
  const log = silentLogger;
  const pipeline = createPipeline({
    views: viewsOf(),
    allocation: noAllocation,
    clock,
    log,
    onPublish: () => undefined,
  });
  const merged = mergeOrchestrators(sourcesOf(options), { clock, inferApps: marathon === null });
  // The first tables are built over as many turns as they take.
  const stopAwaiting = time.await(() => pipeline.snapshot.synced && pipeline.version < 0);
  const stopping = new AbortController();
  if (seed !== undefined) pipeline.fold([{ type: 'resync', picture: seed }]);
  const running = (async () => {
    for await (const events of merged.watch(stopping.signal)) {
      time.stir();
      pipeline.fold(spoil(events));
    }
  })();
  return {
    pipeline,
    async stop() {
      stopAwaiting();
      stopping.abort();
      await running;
      pipeline.stop();
    },
  };
}

/** As the daemon opens them. */
function sourcesOf({ seed, time: { clock }, random, open, marathon }: FollowerOptions): readonly Orchestrator[] {
  const tools = { clock, random, log: silentLogger, metrics: createMetrics() };
  const mesos = createMesosOrchestrator({ ...tools, masters: masterUrls, open, limits: { tickMs: 5000 }, seed });
  const sources = [seed === undefined ? mesos : seedSource(mesos, partOfMesos(seed))];
  if (marathon === null) return sources;
  const apps = createMarathonOrchestrator({ ...tools, ...marathon, name: 'marathon' });
  const said = seed === undefined ? undefined : partOfMarathon(seed, 'marathon');
  return [...sources, said === undefined || said.apps.length === 0 ? apps : seedSource(apps, said)];
}
