// The Mesos source: a cluster's masters as a stream of core events.

import type { IncomingMessage } from 'node:http';
import type { Picture } from '../../cluster/index.ts';
import type { Orchestrator } from '../../ports/index.ts';
import type { Clock, Logger, Metrics, Random } from '../../runtime/index.ts';
import { createCredentials, tlsFields, type SourceAuth, type SourceTls } from '../credentials.ts';
import { createMeters } from '../meters.ts';
import { watchBy } from '../outbox.ts';
import type { Call } from './call.ts';
import { recordLimits } from './recordio.ts';
import { mesosLimits, MesosSession, type MesosLimits } from './session.ts';
import { follow } from './subscribe.ts';

export interface MesosOptions {
  /** Base URLs such as `http://10.0.0.11:5050`; a path is kept. */
  readonly masters: readonly string[];
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
      watchBy(signal, (outbox, stopping) => {
        const session = createSession(name, options, outbox);
        if (options.seed !== undefined) session.state.tables.seed(options.seed);
        return follow(session, options.mode ?? 'stream', stopping);
      }),
  };
}

function createSession(name: string, options: MesosOptions, outbox: MesosSession['options']['outbox']): MesosSession {
  const { clock, random, log } = options;
  const limits: MesosLimits = { ...mesosLimits, ...options.limits };
  const masters = options.masters.map((text) => new URL(text));
  return new MesosSession({
    name,
    masters,
    limits,
    recordBytes: options.recordBytes ?? recordLimits.firstBytes,
    attempts: {
      masters,
      credentials: createCredentials(options.auth),
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
