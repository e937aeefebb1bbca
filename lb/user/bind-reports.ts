// Tells of addresses of VIPs that cannot be opened, and of those that can be again: one line for each reason, however many there are.

import type { Clock, Logger, Timer } from '../../src/runtime/index.ts';
import { bindHint } from './bind-problem.ts';

export interface BindReports {
  /** `code`: the system's; null: open after all. Told with others of the same moment, or by `flush`. */
  add(address: string, code: string | null): void;
  flush(): void;
}

/** Retries of many addresses come within this time of each other. */
const gatherMs = 1000;
const mostNamed = 3;

export function createBindReports(log: Logger, clock: Clock): BindReports {
  let gathered = new Map<string | null, string[]>();
  let timer: Timer | null = null;

  function flush(): void {
    timer?.cancel();
    timer = null;
    const reports = gathered;
    gathered = new Map();
    for (const [code, addresses] of reports) {
      const fields = { count: addresses.length, addresses: someOf(addresses) };
      if (code === null) log.info(fields, 'addresses of VIPs are open now');
      else log.warn({ ...fields, code }, `cannot open addresses of VIPs, the others serve: ${bindHint(code)}`);
    }
  }

  return {
    add(address, code) {
      const same = gathered.get(code);
      if (same === undefined) gathered.set(code, [address]);
      else same.push(address);
      timer ??= clock.after(gatherMs, flush);
    },
    flush,
  };
}

/** For people: the first few, and how many more. */
export function someOf(addresses: readonly string[]): string {
  const named = addresses.slice(0, mostNamed).join(', ');
  const more = addresses.length - mostNamed;
  return more > 0 ? `${named} and ${more} more` : named;
}
