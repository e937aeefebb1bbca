// New connections of every kind at a steady pace, in a process of its own, and what became of each. Told by messages when to begin and to end.

import { request as requestTls } from 'node:https';
import { connect, type Socket } from 'node:net';
import { dnsQuery, firstBytes, newConnection, socksTunnel, throughVip, type Work } from '../storm/clients.ts';
import { patient } from '../storm/patience.ts';
import type { Targets } from '../storm/targets.ts';

export interface UpgradeTargets extends Targets {
  readonly forward: number;
}

export const kinds = ['http', 'https', 'socks', 'httpProxy', 'forwards', 'vip', 'dns'] as const;
export type Kind = (typeof kinds)[number];

/** Pieces a second. */
export type Rates = Readonly<Record<Kind, number>>;

export interface Count {
  done: number;
  /** What went wrong, and how often. */
  readonly lost: Record<string, number>;
  slowestMs: number;
}

export type Counts = Record<Kind, Count>;

export type ToUpgradeLoad =
  { readonly type: 'begin'; readonly targets: UpgradeTargets; readonly rates: Rates } | { readonly type: 'end' };

const patienceMs = patient(15_000);

/** A connection and a whole handshake each. */
function overFreshTls({ https, host, ca }: Targets): Work {
  return () =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: https, headers: { host }, ca, servername: host, agent: false };
      const call = requestTls({ ...options, timeout: patienceMs }, (answer) => {
        answer.resume();
        answer.on('error', reject);
        answer.on('end', () => {
          if (answer.statusCode === 200) resolve(false);
          else reject(new Error(`status ${answer.statusCode ?? 0}`));
        });
      });
      call.on('timeout', () => call.destroy(new Error(`no answer in ${patienceMs} ms`)));
      call.on('error', reject);
      call.end();
    });
}

/** A request through a tunnel that was opened by SOCKS or CONNECT. */
function throughTunnel(open: () => Promise<Socket>): Work {
  return async () => {
    const socket = await open();
    const parts: Buffer[] = [];
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(patienceMs, () => socket.destroy(new Error(`no answer in ${patienceMs} ms`)));
      socket.on('data', (part: Buffer) => parts.push(part)).on('error', reject);
      socket.on('end', resolve).on('close', () => reject(new Error('closed before its end')));
      socket.resume().write('GET / HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n');
    });
    socket.destroy();
    const head = Buffer.concat(parts).toString('latin1').split('\r\n')[0] ?? '';
    if (!head.startsWith('HTTP/1.1 200')) throw new Error(`"${head}" through a tunnel`);
    return false;
  };
}

async function byConnect({ httpProxy, vipName }: Targets): Promise<Socket> {
  const socket = connect(httpProxy, '127.0.0.1');
  socket.write(`CONNECT ${vipName} HTTP/1.1\r\nHost: ${vipName}\r\n\r\n`);
  const [head = ''] = (await firstBytes(socket)).toString('latin1').split('\r\n');
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(`CONNECT: ${head}`);
  return socket;
}

function worksFor(targets: UpgradeTargets): Readonly<Record<Kind, Work>> {
  return {
    http: newConnection(targets),
    https: overFreshTls(targets),
    socks: throughTunnel(() => socksTunnel(targets.socks, targets.vipName)),
    httpProxy: throughTunnel(() => byConnect(targets)),
    forwards: newConnection({ ...targets, http: targets.forward }),
    vip: throughVip(targets),
    dns: dnsQuery(targets),
  };
}

let isOver = false;
const counts = Object.fromEntries(kinds.map((kind) => [kind, { done: 0, lost: {}, slowestMs: 0 }])) as Counts;

async function pace(work: Work, perSecond: number, count: Count): Promise<void> {
  const pending = new Set<Promise<void>>();
  let due = performance.now();
  while (!isOver) {
    due += 1000 / perSecond;
    // Who fell behind goes on from now: it is no flood.
    due = Math.max(due, performance.now() - 500);
    const waitMs = due - performance.now();
    await new Promise<void>((wake) => void (waitMs > 0 ? setTimeout(wake, waitMs) : setImmediate(wake)));
    const from = performance.now();
    const piece = work()
      .then(
        () => void count.done++,
        (error: unknown) => {
          const what = error instanceof Error ? error.message : String(error);
          count.lost[what] = (count.lost[what] ?? 0) + 1;
        },
      )
      .finally(() => {
        count.slowestMs = Math.max(count.slowestMs, Math.round(performance.now() - from));
        pending.delete(piece);
      });
    pending.add(piece);
  }
  await Promise.all(pending);
}

async function run(targets: UpgradeTargets, rates: Rates): Promise<void> {
  const works = worksFor(targets);
  await Promise.all(kinds.map((kind) => (rates[kind] > 0 ? pace(works[kind], rates[kind], counts[kind]) : null)));
  process.send?.(counts, undefined, undefined, () => process.disconnect?.());
}

if (process.send !== undefined) {
  // Whoever wanted the load is gone.
  process.on('disconnect', () => process.exit());
  process.on('message', (message: ToUpgradeLoad) => {
    if (message.type === 'end') isOver = true;
    else void run(message.targets, message.rates);
  });
}
