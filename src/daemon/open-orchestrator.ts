// The sources of the configuration as one stream of events.

import { pictureOf, type Picture, type Snapshot } from '../cluster/index.ts';
import {
  createFileOrchestrator,
  createMarathonOrchestrator,
  createMesosOrchestrator,
  mergeOrchestrators,
  partOfMarathon,
  partOfMesos,
  seedSource,
} from '../orchestrator/index.ts';
import type { Orchestrator } from '../ports/index.ts';
import type { ClusterSource } from './config/index.ts';
import type { ControlOptions } from './control.ts';
import { sourceAuth, sourceTls, zooKeeperOptions } from './options-of.ts';

/** `known`: what is being served as the sources are opened. */
export function openOrchestrator(options: ControlOptions, known: Snapshot): Orchestrator {
  const { cluster } = options.config;
  const seed = known.synced ? pictureOf(known) : undefined;
  const sources = cluster.map((source) => openSeeded(source, options, seed));
  const hasMarathon = cluster.some((source) => source.kind === 'marathon');
  // Traefik's provider publishes what says nothing too, where it is told so.
  const publishesAll = options.config.router?.traefik?.exposedByDefault === true;
  return mergeOrchestrators(sources, {
    clock: options.clock,
    taskHosts: !cluster.some((source) => source.kind === 'mesos'),
    inferApps: hasMarathon ? false : publishesAll ? 'all' : true,
  });
}

/** A source that is away must keep what it said last while the others speak; what a file says is there at once. */
function openSeeded(source: ClusterSource, options: ControlOptions, seed: Picture | undefined): Orchestrator {
  // Which of several Mesos clusters had said a task is not in the picture.
  const isOneOfMany =
    source.kind === 'mesos' && options.config.cluster.filter((other) => other.kind === 'mesos').length > 1;
  if (seed === undefined || source.kind === 'file' || isOneOfMany) return openSource(source, options, undefined);
  const part = source.kind === 'mesos' ? partOfMesos(seed) : partOfMarathon(seed, source.name);
  const opened = openSource(source, options, part);
  // A source that is new in the configuration has said nothing: the picture waits for it.
  return part.tasks.length + part.apps.length + part.agents.length === 0 ? opened : seedSource(opened, part);
}

function openSource(
  source: ClusterSource,
  { clock, random, log, metrics }: ControlOptions,
  seed: Picture | undefined,
): Orchestrator {
  const tools = { clock, random, log, metrics };
  if (source.kind === 'file') return createFileOrchestrator({ ...tools, path: source.path, name: source.name });
  const access = { name: source.name, auth: sourceAuth(source.auth), tls: sourceTls(source.tls) };
  if (source.kind === 'marathon') return createMarathonOrchestrator({ ...tools, ...access, urls: source.urls });
  return createMesosOrchestrator({
    ...tools,
    ...access,
    masters: source.masters,
    zookeeper: zooKeeperOptions(source.zookeeper),
    seed,
    recordBytes: source.recordBytes,
  });
}
