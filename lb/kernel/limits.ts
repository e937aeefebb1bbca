// Limits of one client of a VIP as chains: how fast it may connect, and how many connections it may have (specs/l4lb.md §7.10, §8). A chain for
// each pair of limits, made where a VIP first asks for it and named by what it says, so that its text follows from its name.

import type { Family } from '../ip-number.ts';
import type { VipOptions } from '../vip-options.ts';
import type { Step } from './elements.ts';

interface Limits {
  readonly family: Family;
  readonly rate: { readonly count: number; readonly unit: 's' | 'm' | 'h'; readonly burst: number } | null;
  readonly connections: number | null;
}

const words = { s: 'second', m: 'minute', h: 'hour' } as const;

/** Clients that are counted at a time, of all VIPs with the same limit. */
const mostClients = 65_536;

/** Name of the chain that a VIP of `family` needs; null: it limits nobody. */
export function limitChain({ rate, connections }: VipOptions, family: Family): string | null {
  if (rate === undefined && connections === undefined) return null;
  const parts = [
    ...(rate === undefined ? [] : [`r${rateText(rate.perSecond)}b${rate.burst}`]),
    ...(connections === undefined ? [] : [`c${connections}`]),
  ];
  return `limit${family}-${parts.join('-')}`;
}

export const isLimitChain = (chain: string): boolean => chain.startsWith('limit');

/** Rules of the chain of this name; 0: it is no name of one. */
export function limitRules(chain: string): number {
  const limits = limitsOf(chain);
  return limits === null ? 0 : Number(limits.rate !== null) + Number(limits.connections !== null);
}

/** Commands that make sure of the chains which `steps` lead to. They may be there already. */
export function limitCommands(steps: readonly Step[], table: string): string {
  const chains = new Set(
    steps.flatMap(({ verb, set, value }) =>
      verb === 'add' && /^lim[46]$/.test(set) ? [value.replace('goto ', '')] : [],
    ),
  );
  return [...chains].map((chain) => commandsFor(chain, table)).join('');
}

function commandsFor(chain: string, table: string): string {
  const limits = limitsOf(chain);
  if (limits === null) return '';
  const { family, rate, connections } = limits;
  const ip = family === 4 ? 'ip' : 'ip6';
  const shape = `typeof ${ip} daddr . meta l4proto . th dport . ${ip} saddr`;
  // As in the user-space plane, an IPv6 client is its /64.
  const client = `${ip} daddr . meta l4proto . th dport . ${ip} saddr${family === 6 ? ' and ffff:ffff:ffff:ffff::' : ''}`;
  const lines = [`add chain inet ${table} ${chain}`, `flush chain inet ${table} ${chain}`];
  if (rate !== null) {
    const set = `rate${family}-${rate.count}${rate.unit}${rate.burst}`;
    const pace = `limit rate over ${rate.count}/${words[rate.unit]} burst ${rate.burst} packets`;
    lines.unshift(`add set inet ${table} ${set} { ${shape}; flags dynamic,timeout; timeout 1h; size ${mostClients}; }`);
    lines.push(`add rule inet ${table} ${chain} update @${set} { ${client} ${pace} } goto refuse`);
  }
  if (connections !== null) {
    const set = `open${family}-${connections}`;
    lines.unshift(`add set inet ${table} ${set} { ${shape}; flags dynamic; size ${mostClients}; }`);
    lines.push(`add rule inet ${table} ${chain} add @${set} { ${client} ct count over ${connections} } goto refuse`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

function limitsOf(chain: string): Limits | null {
  const [, family, count, unit, burst, connections] =
    /^limit([46])(?:-r(\d+)([smh])b(\d+))?(?:-c(\d+))?$/.exec(chain) ?? [];
  if (family === undefined) return null;
  return {
    family: Number(family) as Family,
    rate: count === undefined ? null : { count: Number(count), unit: unit as 's', burst: Number(burst) },
    connections: connections === undefined ? null : Number(connections),
  };
}

/** In the largest unit that says it in a whole number; the kernel knows no fractions. */
function rateText(perSecond: number): string {
  if (Number.isInteger(perSecond)) return `${perSecond}s`;
  const perMinute = perSecond * 60;
  if (Math.abs(perMinute - Math.round(perMinute)) < 1e-6) return `${Math.round(perMinute)}m`;
  return `${Math.max(1, Math.round(perSecond * 3600))}h`;
}
