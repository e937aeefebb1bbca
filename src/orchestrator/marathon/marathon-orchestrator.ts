// The Marathon source: apps, and what a Marathon knows of their tasks, as a stream of core events.

import type { Orchestrator } from '../../ports/index.ts';
import { createBackoff, sleep, type Clock, type Logger, type Metrics, type Random } from '../../runtime/index.ts';
import type { SourceAuth, SourceTls } from '../credentials.ts';
import { credentialsOf } from '../dcos-credentials.ts';
import { createMeters } from '../meters.ts';
import { watchBy, type Outbox } from '../outbox.ts';
import { attend, marathonLimits, type Attendance, type MarathonLimits } from './attend.ts';
import { createMarathonClient, type MarathonClient } from './client.ts';
import { createMarathonTables } from './tables.ts';

export interface MarathonOptions {
  /** Base URLs of the members of one Marathon, such as `http://10.0.0.11:8080`; a path is kept. */
  readonly urls: readonly string[];
  /** Of the framework it runs as. The source is called `marathon:NAME`. */
  readonly name: string;
  readonly auth?: SourceAuth | undefined;
  readonly tls?: SourceTls | undefined;
  readonly limits?: Partial<MarathonLimits> | undefined;
  /** Asks it; default: HTTP, with `auth` and `tls`. */
  readonly client?: MarathonClient | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

const goodLifeMs = 60_000;
const firstBackoffMs = 500;
const mostBackoffMs = 30_000;

/** Follows one Marathon through whichever of its members answers. Emits apps and tasks; agents, frameworks and masters are Mesos's. */
export function createMarathonOrchestrator(options: MarathonOptions): Orchestrator {
  const name = `marathon:${options.name}`;
  return {
    name,
    watch: (signal) => watchBy(signal, (outbox, stopping) => follow(name, options, outbox, stopping)),
  };
}

async function follow(name: string, options: MarathonOptions, outbox: Outbox, signal: AbortSignal): Promise<void> {
  const { clock, random, log } = options;
  const urls = options.urls.map((text) => new URL(text));
  const limits: MarathonLimits = { ...marathonLimits, ...options.limits };
  const { connectMs, answerMs } = limits;
  const credentials = credentialsOf(options.auth, { name, tls: options.tls, clock, random, log });
  const client =
    options.client ?? createMarathonClient({ urls, credentials, tls: options.tls, connectMs, answerMs, clock });
  const meters = createMeters(options.metrics, name);
  const tables = createMarathonTables();
  const attendance: Attendance = { name, marathon: options.name, client, tables, outbox, clock, log, meters, limits };
  const backoff = createBackoff({ firstMs: firstBackoffMs, mostMs: mostBackoffMs, random });
  const reported = new Set<string>();
  let failures = 0;
  for (let turn = 0; !signal.aborted; turn++) {
    const { lifeMs, reason } = await attend(urls[turn % urls.length] as URL, attendance, signal);
    if (signal.aborted) break;
    meters.reconnect();
    if (lifeMs >= goodLifeMs) {
      backoff.reset();
      failures = 0;
      reported.clear();
    }
    if (reason === null) continue;
    if (!reported.has(reason))
      log.warn({ source: name, reason }, 'Lost contact with Marathon: what it said last keeps serving');
    reported.add(reason);
    outbox.put([{ type: 'lost-contact', source: name, at: clock.now(), reason }]);
    // The other members are asked at once; waiting starts when all have failed.
    failures++;
    if (failures % urls.length === 0 && (lifeMs === 0 || failures > urls.length))
      await sleep(clock, backoff.next(), signal);
  }
  await client.close();
}
