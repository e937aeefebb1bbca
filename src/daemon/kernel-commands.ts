// Who starts nft and conntrack: the process itself while it may, or a keeper that it leaves behind with CAP_NET_ADMIN before it becomes
// another user. The keeper has no other privilege, and nobody but its parent can talk to it.

import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { directCommands, type Commands, type Outcome, type Tool } from '../../lb/index.ts';
import type { Logger } from '../runtime/index.ts';
import { accountToTake } from './privileges.ts';
import type { Account } from './users.ts';

export type KeeperRequest =
  | {
      readonly type: 'run';
      readonly id: number;
      readonly tool: Tool;
      readonly args: readonly string[];
      readonly input?: string;
    }
  | { readonly type: 'follow'; readonly id: number; readonly tool: Tool; readonly args: readonly string[] }
  | { readonly type: 'close'; readonly id: number };

export type KeeperAnswer =
  | { readonly id: number; readonly outcome: Outcome }
  | { readonly id: number; readonly line: string }
  | { readonly id: number; readonly end: true };

const entry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './kernel-keeper.ts' : './kernel-keeper.js', import.meta.url),
);

/** To be called while the process is still root, if it is. `onLost`: the keeper is gone, and cannot be had again without root. */
export function openCommands(user: string | null, log: Logger, onLost: () => void): Commands {
  const account = accountToTake(user);
  return account === null ? directCommands : spawnKeeper(account, log, onLost);
}

/** What `setpriv` needs to become the account, where that may read the program; root without its powers where not. */
function identityOf({ uid, gid }: Account, log: Logger): readonly string[] {
  const become = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  const mayRead = (file: string): boolean => spawnSync('setpriv', [...become, '--', 'test', '-r', file]).status === 0;
  const hidden = [process.execPath, entry].find((file) => !mayRead(file));
  if (hidden === undefined) return become;
  log.warn(
    { file: hidden, uid },
    'user may not read the program; what programs the kernel stays root, with CAP_NET_ADMIN alone',
  );
  return ['--clear-groups'];
}

function spawnKeeper(account: Account, log: Logger, onLost: () => void): Commands {
  const caps = '-all,+net_admin';
  const become = [...identityOf(account, log), `--bounding-set=${caps}`, '--no-new-privs'];
  const keep = [`--inh-caps=${caps}`, `--ambient-caps=${caps}`];
  const child = spawn('setpriv', [...become, ...keep, '--', process.execPath, entry], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  const waiting = new Map<number, (answer: KeeperAnswer | null) => void>();
  let next = 0;
  let isLost = false;
  const lose = (reason: string): void => {
    if (isLost) return;
    isLost = true;
    log.error({ reason }, 'process that programs the kernel is gone; VIPs stay as they are');
    for (const [, settle] of waiting) settle(null);
    waiting.clear();
    onLost();
  };
  child.on('message', (answer: KeeperAnswer) => waiting.get(answer.id)?.(answer));
  child.once('error', (error) => lose(error.message));
  child.once('exit', (code, signal) => lose(`it ended with ${signal ?? `code ${code}`}`));
  const ask = (request: KeeperRequest): void => void (child.connected && child.send(request, () => undefined));
  const lost: Outcome = { code: null, stdout: '', stderr: 'the process that programs the kernel is gone' };
  return {
    run: (tool, args, input) =>
      new Promise((resolve) => {
        if (isLost) return void resolve(lost);
        const id = next++;
        waiting.set(id, (answer) => {
          waiting.delete(id);
          resolve(answer !== null && 'outcome' in answer ? answer.outcome : lost);
        });
        ask({ type: 'run', id, tool, args, ...(input === undefined ? {} : { input }) });
      }),
    follow(tool, args, onLine, onEnd) {
      const id = next++;
      waiting.set(id, (answer) => {
        if (answer !== null && 'line' in answer) return onLine(answer.line);
        waiting.delete(id);
        onEnd();
      });
      ask({ type: 'follow', id, tool, args });
      return { close: () => ask({ type: 'close', id }) };
    },
  };
}
