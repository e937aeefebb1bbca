// One daemon's control without its sockets: source, merge, snapshot and views, in the simulation's time.

import type { Picture } from '../../src/cluster/index.ts';
import { noAllocation } from '../../src/daemon/allocation.ts';
import { createPipeline, type Pipeline } from '../../src/daemon/pipeline.ts';
import {
  createMesosOrchestrator,
  mergeOrchestrators,
  partOfMesos,
  seedSource,
  type MesosOptions,
} from '../../src/orchestrator/index.ts';
import { createMetrics, silentLogger, type Clock, type Random } from '../../src/runtime/index.ts';
import { viewsOf } from './presence.ts';
import { masterUrls } from './sim-masters.ts';

export interface FollowerOptions {
  /** What was saved before; undefined: nothing. */
  readonly seed: Picture | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Calls a master. */
  readonly open: NonNullable<MesosOptions['open']>;
  /** Something happens that others may react to. */
  readonly stir: () => void;
}

export interface Follower {
  readonly pipeline: Pipeline;
  stop(): Promise<void>;
}

export function openFollower({ seed, clock, random, open, stir }: FollowerOptions): Follower {
  const log = silentLogger;
  const pipeline = createPipeline({
    views: viewsOf(),
    allocation: noAllocation,
    clock,
    log,
    onPublish: () => undefined,
  });
  const mesos = createMesosOrchestrator({
    masters: masterUrls,
    open,
    limits: { tickMs: 5000 },
    seed,
    clock,
    random,
    log,
    metrics: createMetrics(),
  });
  const source = seed === undefined ? mesos : seedSource(mesos, partOfMesos(seed));
  const merged = mergeOrchestrators([source], { clock, inferApps: true });
  const stopping = new AbortController();
  if (seed !== undefined) pipeline.fold([{ type: 'resync', picture: seed }]);
  const running = (async () => {
    for await (const events of merged.watch(stopping.signal)) {
      stir();
      pipeline.fold(events);
    }
  })();
  return {
    pipeline,
    async stop() {
      stopping.abort();
      await running;
      pipeline.stop();
    },
  };
}
