// Decides whether the kernel plane can serve here: the very ruleset is checked by the kernel, which changes nothing (`nft --check`).

import type { Commands } from './command.ts';
import { transactionText } from './elements.ts';
import { layoutOf, type AddressRanges } from './layout.ts';

export interface SelfTest {
  /** Why it cannot serve; null: it can. */
  readonly unfit: string | null;
  /** What would be missing although it can, a line each, with the remedy. */
  readonly lacks: readonly string[];
}

/** Addresses of documentation (RFC 5737, RFC 3849): a VIP of each family with a backend, for the check alone. */
const sample = transactionText([
  { verb: 'add', set: 'be4', key: '192.0.2.1 . tcp . 80 . 0', value: '198.51.100.1 . 8080' },
  { verb: 'add', set: 'svc4', key: '192.0.2.1 . tcp . 80', value: 'goto r4-1' },
  { verb: 'add', set: 'be6', key: '2001:db8::1 . udp . 53 . 0', value: '2001:db8::2 . 53' },
  { verb: 'add', set: 'lim4', key: '192.0.2.1 . tcp . 80', value: 'goto limit4-r5sb5-c3' },
  { verb: 'add', set: 'lim6', key: '2001:db8::1 . udp . 53', value: 'goto limit6-r5sb5-c3' },
  { verb: 'add', set: 'svc6', key: '2001:db8::1 . udp . 53', value: 'goto r6-1' },
]);

export async function testKernel(commands: Commands, ranges: AddressRanges): Promise<SelfTest> {
  if (/^(127\.|::1)/.test(ranges.range)) {
    return {
      unfit: `addresses of the range ${ranges.range} never leave the machine, which the kernel cannot translate`,
      lacks: [],
    };
  }
  const version = await commands.run('nft', ['--version']);
  if (version.code === null) return { unfit: 'nft is not installed (apt install nftables)', lacks: [] };
  // A table of another layout may be there: what is checked must not depend on it.
  const text = layoutOf(ranges).text + sample;
  const check = await commands.run(
    'nft',
    ['--check', '-f', '-'],
    text.replaceAll(/inet isthmus\b/g, 'inet isthmus-check'),
  );
  if (check.code !== 0) return { unfit: reasonOf(check.stderr), lacks: [] };
  const conntrack = await commands.run('conntrack', ['--version']);
  const [first = ''] = ranges.range.split('-');
  const route = await commands.run('ip', ['route', 'get', first]);
  const lacks = [
    ...(conntrack.code === 0
      ? []
      : ['flows of backends that are gone cannot be ended: conntrack is not installed (apt install conntrack)']),
    ...(route.code === 0 || route.code === null
      ? []
      : [
          `programs of this machine have no route to ${first}: they need a default route, or one of the range by "dev lo"`,
        ]),
  ];
  return { unfit: null, lacks };
}

function reasonOf(stderr: string): string {
  const [first = 'nft gives no reason'] = stderr.split('\n').filter((line) => line.trim() !== '');
  if (/Operation not permitted|must be root/.test(stderr))
    return 'leave to program nftables is missing (root or CAP_NET_ADMIN)';
  return `the kernel does not take the ruleset: ${first.trim().slice(0, 200)}`;
}
