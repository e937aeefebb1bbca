// Upgrades under load: new connections of every kind and DNS queries at a steady pace while the daemon starts its own code anew, ten times.
// No peer: what counts is that nobody is refused, reset or left without an answer, and that former processes leave nothing behind.

import { kinds, type Counts, type Kind, type Rates } from '../test/feature/upgrade-load.ts';
import { makeUpgradeScene } from '../test/feature/upgrade-scene.ts';
import type { DaemonProcess } from '../test/storm/processes.ts';
import { keepResult, table } from './results.ts';

/** 200 new connections and 1,000 queries a second, and VIPs besides. */
const fullRates: Rates = { http: 100, https: 25, socks: 25, httpProxy: 25, forwards: 25, vip: 25, dns: 1000 };
/** Workers open the listeners of VIPs themselves: one connection in so many may be lost. */
const ofOwnListeners = 10_000;
/** Between two upgrades, so that each former generation ends under load too. */
const pauseMs = 2_000;
const workers = 2;

/** `[UPGRADES [PART]]`: ten, and all of the load, where they are left out. */
export async function run(args: readonly string[]): Promise<number> {
  const upgrades = Number(args[0] ?? 10);
  const rates = part(Number(args[1] ?? 1));
  const scene = await makeUpgradeScene(workers);
  try {
    const end = scene.load(rates);
    await scene.upgrade(2);
    const before = await scene.settled();
    for (let i = 1; i < upgrades; i++) {
      await new Promise((wake) => setTimeout(wake, pauseMs));
      await scene.upgrade(2 + i);
    }
    await new Promise((wake) => setTimeout(wake, pauseMs));
    const counts = await end();
    const after = await scene.settled();
    return tell(upgrades, rates, counts, before, after);
  } finally {
    await scene.close();
  }
}

function part(of: number): Rates {
  return Object.fromEntries(kinds.map((kind) => [kind, fullRates[kind] * of])) as Rates;
}

function tell(
  upgrades: number,
  rates: Rates,
  counts: Counts,
  before: readonly DaemonProcess[],
  after: readonly DaemonProcess[],
): number {
  const lostOf = (kind: Kind): number => Object.values(counts[kind].lost).reduce((sum, times) => sum + times, 0);
  const rows = kinds.map((kind) => {
    const { done, lost, slowestMs } = counts[kind];
    return [kind, String(rates[kind]), String(done), String(lostOf(kind)), String(slowestMs), JSON.stringify(lost)];
  });
  const head = ['kind', 'a second', 'served', 'lost', 'slowest ms', 'how'];
  process.stdout.write(`${upgrades} upgrades of ${workers} workers\n${table([head, ...rows])}`);
  const held = [before, after].map(holdings);
  process.stdout.write(
    `processes, descriptors, MB after the first: ${held[0]?.join(', ') ?? ''}; after the last: ${held[1]?.join(', ') ?? ''}\n`,
  );
  const isGood = kinds.every((kind) =>
    kind === 'vip' ? lostOf(kind) * ofOwnListeners <= Math.max(counts[kind].done, ofOwnListeners) : lostOf(kind) === 0,
  );
  keepResult('upgrade', { upgrades, workers, rates, counts, before, after, isGood });
  return isGood ? 0 : 1;
}

const holdings = (processes: readonly DaemonProcess[]): readonly number[] => [
  processes.length,
  processes.reduce((sum, { descriptors }) => sum + descriptors, 0),
  Math.round(processes.reduce((sum, { rssMb }) => sum + rssMb, 0)),
];
