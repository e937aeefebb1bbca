// Puts the ruleset of a kernel plane out of force that nobody keeps any more: VIPs of the past must not go on taking connections from
// those who serve them now.

import type { Commands } from './command.ts';
import { tableName } from './layout.ts';

/** What new connections meet. The chain that translates answers back stays, so that those there are live on (specs/l4lb.md §2.6.3). */
const chains = ['n-pre', 'n-out', 'guard', 'undefined'] as const;

/** Resolves to whether there was one. Without leave to look there is nothing that could be done. */
export async function retireKernelTable(commands: Commands): Promise<boolean> {
  const text = chains.map((chain) => `flush chain inet ${tableName} ${chain}\n`).join('');
  return (await commands.run('nft', ['-f', '-'], text)).code === 0;
}
