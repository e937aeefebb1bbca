// Keeps other programs' port mappings off VIPs: an address of a VIP is local here, and a mapping for "destination is local" (Docker, CNI)
// would take every VIP with the port of some container (specs/l4lb.md §2.1). A connection is translated once: to its own address, first.

import type { Commands } from '../kernel/command.ts';
import type { LocalRanges } from './any-ip.ts';

const tableName = 'isthmus-local';

const textOf = ({ range, range6 }: LocalRanges): string => {
  const rules = [
    `ip daddr { ${range} } dnat ip to ip daddr`,
    ...(range6 === null ? [] : [`ip6 daddr { ${range6} } dnat ip6 to ip6 daddr`]),
  ];
  const chains = ['prerouting', 'output'].map(
    // Before iptables' own at -100.
    (hook) => `chain ${hook} {\ntype nat hook ${hook} priority -105; policy accept;\n${rules.join('\n')}\n}\n`,
  );
  return `table inet ${tableName}\ndelete table inet ${tableName}\ntable inet ${tableName} {\n${chains.join('')}}\n`;
};

/**
 * Where somebody translates addresses of this machine; elsewhere nothing is done, since looking at every connection costs. Resolves to
 * whether VIPs are guarded now.
 */
export async function guardFromMappings(commands: Commands, ranges: LocalRanges): Promise<boolean> {
  const { code, stdout } = await commands.run('nft', ['list', 'chains']);
  if (code !== 0 || !isTranslated(stdout)) return false;
  return (await commands.run('nft', ['-f', '-'], textOf(ranges))).code === 0;
}

/** The kernel plane must meet VIPs as they came. */
export async function endGuard(commands: Commands): Promise<void> {
  await commands.run('nft', ['delete', 'table', 'inet', tableName]);
}

/** Whether a table besides the daemon's own has a chain of type nat where connections come in. */
function isTranslated(chains: string): boolean {
  let isOwn = false;
  for (const line of chains.split('\n')) {
    const [, table] = /^table \S+ (\S+) \{/.exec(line) ?? [];
    if (table !== undefined) isOwn = table === 'isthmus' || table === tableName;
    if (!isOwn && /type nat hook (prerouting|output)/.test(line)) return true;
  }
  return false;
}
