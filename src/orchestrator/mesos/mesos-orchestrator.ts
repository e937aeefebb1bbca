// The Mesos source: a cluster's masters as a stream of core events.

import type { IncomingMessage } from 'node:http';
import type { MasterAddress, Picture } from '../../cluster/index.ts';
import type { Orchestrator } from '../../ports/index.ts';
import type { Clock, Logger, Metrics, Random } from '../../runtime/index.ts';
import { tlsFields, type SourceAuth, type SourceTls } from '../credentials.ts';
import { credentialsOf } from '../dcos-credentials.ts';
import { createMeters } from '../meters.ts';
import { watchBy } from '../outbox.ts';
import { createSlices } from '../slices.ts';
import type { Call } from './call.ts';
import { followMasters, type ZooKeeperOptions } from '../zookeeper/follow-masters.ts';
import { recordLimits } from './recordio.ts';
import { mesosLimits, MesosSession, type MesosLimits } from './session.ts';
import { follow } from './subscribe.ts';

export interface MesosOptions {
  /** Base URLs such as `http://10.0.0.11:5050`; a path is kept. */
  readonly masters: readonly string[];
  /** Finds the masters, beside or in place of those that are listed. */
  readonly zookeeper?: ZooKeeperOptions | undefined;
  readonly auth?: SourceAuth | undefined;
  readonly tls?: SourceTls | undefined;
  /** Of the source in logs, metrics and status; `mesos` by default. */
  readonly name?: string | undefined;
  /** `poll`: by `/state` alone. By default by the stream, and by `/state` where a master has none for us. */
  readonly mode?: 'stream' | 'poll' | undefined;
  readonly limits?: Partial<MesosLimits> | undefined;
  /** The most that the stream's first record may take, in bytes. */
  readonly recordBytes?: number | undefined;
  /** The last picture that was saved: a restart while a new master still waits for its agents must not wipe what they run. */
  readonly seed?: Picture | undefined;
  /** How calls are made; default: over HTTP. For simulations, whose time is not the system's. */
  readonly open?: ((call: Call) => Promise<IncomingMessage>) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Follows the leader among `masters`, through failovers, by SUBSCRIBE or by polling. Emits tasks, agents, frameworks and masters, no apps. */
export function createMesosOrchestrator(options: MesosOptions): Orchestrator {
  const name = options.name ?? 'mesos';
  return {
    name,
    watch: (signal) =>
      watchBy(signal, async (outbox, stopping) => {
        const masters = options.masters.map((text) => new URL(text));
        const session = createSession(name, options, masters, outbox);
        if (options.seed !== undefined) await session.state.tables.seed(options.seed, createSlices(options.clock));
        const following = follow(session, options.mode ?? 'stream', stopping);
        await Promise.all([following, find(session, masters, options, stopping)]);
      }),
  };
}

/** Keeps `masters` what ZooKeeper says: those that stand for election, the leader first, then those of the configuration. */
async function find(session: MesosSession, masters: URL[], options: MesosOptions, signal: AbortSignal): Promise<void> {
  const { zookeeper, clock, random, log } = options;
  if (zookeeper === undefined) return;
  const { name } = session.options;
  const listed = [...masters];
  const scheme = options.tls === undefined ? 'http' : 'https';
  let leader = '';
  const onMasters = (found: readonly MasterAddress[]): void => {
    const urls = found.map(({ ip, port }) => new URL(`${scheme}://${ip.includes(':') ? `[${ip}]` : ip}:${port}`));
    const others = listed.filter((url) => !urls.some((other) => other.host === url.host));
    masters.splice(0, masters.length, ...urls, ...others);
    if (urls[0] === undefined || urls[0].host === leader) return;
    leader = urls[0].host;
    log.info({ source: name, leader, masters: urls.length }, 'ZooKeeper names another leader of Mesos');
    session.hurry();
  };
  await followMasters(zookeeper, { name, clock, random, log, onMasters }, signal);
}

function createSession(
  name: string,
  options: MesosOptions,
  masters: readonly URL[],
  outbox: MesosSession['options']['outbox'],
): MesosSession {
  const { clock, random, log } = options;
  const limits: MesosLimits = { ...mesosLimits, ...options.limits };
  return new MesosSession({
    name,
    masters,
    limits,
    recordBytes: options.recordBytes ?? recordLimits.firstBytes,
    attempts: {
      masters,
      credentials: credentialsOf(options.auth, { name, tls: options.tls, clock, random, log }),
      tls: tlsFields(options.tls),
      clock,
      connectMs: limits.connectMs,
      firstByteMs: limits.firstByteMs,
      open: options.open,
    },
    clock,
    random,
    log,
    meters: createMeters(options.metrics, name),
    outbox,
  });
}
