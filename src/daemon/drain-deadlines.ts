// How long what is under way gets when the daemon stops: each section says it for its own, and the processes wait for the longest.

import type { Config } from './config/index.ts';

/** Where a section sets no limit. */
const noLimitMs = 24 * 3_600_000;
/** Of a daemon that carries nothing. */
const leastMs = 1_000;

/** Milliseconds that the function `name` has, of those with a section of their own. */
export function drainMsOf(config: Config, name: string): number {
  return deadlines(config).get(name) ?? noLimitMs;
}

/** Milliseconds until nothing is under way any more, or is cut. */
export function longestDrainMs(config: Config): number {
  return Math.max(leastMs, ...deadlines(config).values());
}

function deadlines({ dns, vips, router, socks, httpProxy, forwards }: Config): ReadonlyMap<string, number> {
  const all = new Map<string, number>();
  const note = (name: string, section: { readonly timeouts: { readonly drainMs: number } } | null): void => {
    if (section !== null) all.set(name, Math.max(all.get(name) ?? 0, section.timeouts.drainMs || noLimitMs));
  };
  note('dns', dns);
  note('vips', vips);
  note('router', router);
  note('socks', socks);
  note('httpProxy', httpProxy);
  for (const forward of forwards) note('forwards', forward);
  return all;
}
