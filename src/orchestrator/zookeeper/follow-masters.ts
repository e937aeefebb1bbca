// Masters by ZooKeeper: follows the nodes with which they announce themselves, the leader's being the lowest (specs/orchestrator.md §2).
// What was found last stays true while ZooKeeper is away.

import { createBackoff, messageOf, sleep, type Clock, type Logger, type Random } from '../../runtime/index.ts';
import type { MasterAddress } from '../../cluster/index.ts';
import { decodeMaster } from '../mesos/decode-cluster.ts';
import { connectZooKeeper, type ZooKeeperConnection, type ZooKeeperServer } from './connection.ts';

export interface ZooKeeperOptions {
  readonly servers: readonly ZooKeeperServer[];
  /** Such as `/mesos`. */
  readonly path: string;
  /** `user:password`; null: none. */
  readonly digest: string | null;
}

interface Tools {
  /** Of the source, in logs. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Every master that stands for election, the leader first; never empty. */
  readonly onMasters: (masters: readonly MasterAddress[]) => void;
}

const connectMs = 5000;
const sessionMs = 10_000;
/** A second look without any watch having fired: a watch may be lost with a server that loses its ensemble. */
const lookMs = 30_000;
const firstBackoffMs = 250;
const mostBackoffMs = 10_000;

/** Follows until `signal` aborts, server after server. Never rejects but for bugs. */
export async function followMasters(options: ZooKeeperOptions, tools: Tools, signal: AbortSignal): Promise<void> {
  const { clock, random, log, name } = tools;
  const backoff = createBackoff({ firstMs: firstBackoffMs, mostMs: mostBackoffMs, random });
  const start = Math.floor(random() * options.servers.length);
  for (let turn = start; !signal.aborted; turn++) {
    const server = options.servers[turn % options.servers.length] as ZooKeeperServer;
    const reason = await attend(server, options, tools, () => backoff.reset(), signal);
    if (signal.aborted) break;
    log.warn({ source: name, reason }, 'Lost contact with ZooKeeper: the masters that it named last are asked on');
    await sleep(clock, backoff.next(), signal);
  }
}

/** One server for as long as it serves; returns why it is left. */
async function attend(
  server: ZooKeeperServer,
  options: ZooKeeperOptions,
  tools: Tools,
  onRead: () => void,
  signal: AbortSignal,
): Promise<string> {
  let wake = new AbortController();
  const onChange = (): void => wake.abort();
  let connection: ZooKeeperConnection | null = null;
  try {
    const { clock } = tools;
    const { digest } = options;
    connection = await connectZooKeeper({ server, digest, clock, connectMs, sessionMs, onChange, signal });
    const over = new AbortController();
    const ended = connection.ended.then((reason) => {
      over.abort();
      return reason;
    });
    while (!signal.aborted && !over.signal.aborted) {
      wake = new AbortController();
      const masters = await readMasters(connection, options.path);
      onRead();
      if (masters.length > 0) tools.onMasters(masters);
      await sleep(clock, lookMs, AbortSignal.any([signal, over.signal, wake.signal]));
    }
    return await ended;
  } catch (error) {
    return messageOf(error);
  } finally {
    connection?.close();
  }
}

/** Those that stand for election, by the number of their node. One that goes between the two readings is left out. */
async function readMasters(connection: ZooKeeperConnection, path: string): Promise<readonly MasterAddress[]> {
  const names = (await connection.children(path)) ?? [];
  const candidates = names
    .map((name) => ({ name, number: Number(/^json\.info_(\d+)$/.exec(name)?.[1] ?? NaN) }))
    .filter(({ number }) => !Number.isNaN(number))
    .sort((a, b) => a.number - b.number);
  const contents = await Promise.all(candidates.map(({ name }) => connection.content(`${path}/${name}`)));
  return contents.map(masterOf).filter((master) => master !== null);
}

function masterOf(content: Buffer | null): MasterAddress | null {
  if (content === null) return null;
  try {
    return decodeMaster(JSON.parse(content.toString('utf8')) as unknown);
  } catch {
    return null;
  }
}
