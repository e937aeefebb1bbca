// Makes whole ranges of VIP addresses this machine's own, so that sockets can be bound to any of them (AnyIP): one route a network, no
// address on any device. It stays when the daemon stops, for whoever serves next; `ip route del local RANGE dev lo` takes it away.

import { writeFile } from 'node:fs/promises';
import { messageOf } from '../../src/runtime/index.ts';
import { networksOf, parseRange } from '../address-range.ts';
import type { Commands } from '../kernel/command.ts';

export interface LocalRanges {
  /** As `vips.range`; 127.0.0.0/8 is local anyway. */
  readonly range: string;
  /** As `vips.range6`; null: none. */
  readonly range6: string | null;
}

export interface AnyIpOutcome {
  /** Networks that are local now. */
  readonly networks: readonly string[];
  /** Why others are not, in the words of `ip`; null: nothing is missing. */
  readonly reason: string | null;
}

/** Harmless where it is done already. Needs CAP_NET_ADMIN; without it the outcome says so. Never rejects. */
export async function makeRangesLocal(commands: Commands, { range, range6 }: LocalRanges): Promise<AnyIpOutcome> {
  const networks: string[] = [];
  let reason: string | null = null;
  for (const [text, family] of [[range, 4] as const, [range6, 6] as const]) {
    const parsed = text === null ? null : parseRange(text, family);
    if (parsed === null || 'rejected' in parsed) continue;
    for (const network of networksOf(parsed)) {
      if (family === 4 && network.startsWith('127.')) continue;
      const { code, stderr } = await commands.run('ip', [
        `-${family}`,
        'route',
        'replace',
        'local',
        network,
        'dev',
        'lo',
      ]);
      if (code === 0) networks.push(network);
      else reason ??= stderr.trim().split('\n')[0] ?? `exit code ${code}`;
    }
  }
  if (networks.some((network) => network.includes(':'))) reason ??= await allowBinding();
  return { networks, reason };
}

/** For IPv4 the route is enough; for IPv6 the kernel binds to addresses of devices alone unless it is told otherwise. */
async function allowBinding(): Promise<string | null> {
  try {
    await writeFile('/proc/sys/net/ipv6/ip_nonlocal_bind', '1');
    return null;
  } catch (error) {
    return `net.ipv6.ip_nonlocal_bind: ${messageOf(error)}`;
  }
}
