// nftables through the command `nft`: transactions as text, tables as JSON.

import { IsthmusError } from '../../src/runtime/index.ts';
import type { Commands } from './command.ts';
import type { Kernel } from './kernel.ts';
import { tableName } from './layout.ts';
import { readTable } from './read-table.ts';

export function createNft(commands: Commands): Kernel {
  return {
    async read() {
      const { code, stdout, stderr } = await commands.run('nft', ['-j', 'list', 'table', 'inet', tableName]);
      if (code === 0) return readTable(stdout);
      if (code !== null && stderr.includes('No such file or directory')) return null;
      throw failure('VIP_KERNEL_READ', 'nft cannot list the table', stderr);
    },
    async transact(text) {
      const { code, stderr } = await commands.run('nft', ['-f', '-'], text);
      if (code !== 0) throw failure('VIP_KERNEL_WRITE', 'nft refuses the change', stderr);
    },
    watch(onGone, onEnd) {
      const isOurs = (line: string): boolean => line.includes(`"name": "${tableName}"`);
      return commands.follow(
        'nft',
        ['-j', 'monitor', 'destroy', 'tables'],
        (line) => void (isOurs(line) && onGone()),
        onEnd,
      );
    },
  };
}

/** The first lines of what nft says; it repeats the command below each, which may be megabytes. */
function failure(code: string, message: string, stderr: string): IsthmusError {
  const said = stderr.split('\n').filter((line) => line !== '' && !/^\s|element inet/.test(line));
  const reasons = [...new Set(said.map((line) => line.slice(0, 200)))].slice(0, 3).join('; ');
  return new IsthmusError(code, `${message}: ${reasons === '' ? 'it says nothing' : reasons}`, {
    side: 'internal',
    retryable: true,
  });
}
