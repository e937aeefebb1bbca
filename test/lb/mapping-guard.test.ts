// Port mappings of other programs are kept off local VIPs, where there are any.

import t from 'tap';
import { endGuard, guardFromMappings, type Commands } from '../../lb/index.ts';

const ranges = { range: '11.0.0.0-11.255.255.255', range6: 'fd01:c::-fd01:c::ffff' };

/** Answers `nft list chains` with `chains`, notes the rest. */
function machine(chains: string | null): { readonly commands: Commands; readonly asked: string[] } {
  const asked: string[] = [];
  const commands: Commands = {
    run(_, args, input) {
      if (args[0] === 'list')
        return Promise.resolve({ code: chains === null ? 1 : 0, stdout: chains ?? '', stderr: '' });
      asked.push(`${args.join(' ')} ${input ?? ''}`);
      return Promise.resolve({ code: 0, stdout: '', stderr: '' });
    },
    follow: () => ({ close: () => undefined }),
  };
  return { commands, asked };
}

const table = (name: string, chain: string): string => `table inet ${name} {\n\tchain c {\n\t\t${chain}\n\t}\n}\n`;
const nat = 'type nat hook prerouting priority dstnat; policy accept;';

t.test('only where somebody translates addresses', async (t) => {
  for (const chains of [
    null,
    '',
    table('firewall', 'type filter hook input priority filter; policy accept;'),
    table('isthmus', nat) + table('isthmus-local', nat),
  ]) {
    const { commands, asked } = machine(chains);
    t.equal(await guardFromMappings(commands, ranges), false, chains ?? 'no leave to look');
    t.same(asked, []);
  }
  const { commands, asked } = machine(table('isthmus', nat) + table('docker', nat));
  t.equal(await guardFromMappings(commands, ranges), true);
  t.match(asked[0], /ip daddr \{ 11\.0\.0\.0-11\.255\.255\.255 \} dnat ip to ip daddr/);
  t.match(asked[0], /ip6 daddr \{ fd01:c::-fd01:c::ffff \} dnat ip6 to ip6 daddr/);
});

t.test('the kernel plane ends it', async (t) => {
  const { commands, asked } = machine('');
  await endGuard(commands);
  t.same(asked, ['delete table inet isthmus-local ']);
});
