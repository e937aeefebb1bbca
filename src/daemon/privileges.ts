// Drops root after the sockets are bound. A process that has dropped cannot bind a low port again: that is the point.

import { spawnSync } from 'node:child_process';
import { lchownSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../runtime/index.ts';
import { messageOf } from '../runtime/index.ts';
import { lookUpUser, type Account } from './users.ts';

/** The account that a process started as root is to become; null where it stays what it is. Throws if that user does not exist. */
export function accountToTake(user: string | null): Account | null {
  if (user === null || process.getuid?.() !== 0) return null;
  const account = lookUpUser(user);
  if (account === null)
    throw new Error(`user: there is no user "${user}" on this machine; create it or take the key out`);
  return account;
}

/** Makes a directory of the daemon's own, with all that is in it, the user's. */
export function handOver(directory: string, account: Account, log: Logger): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const entries = readdirSync(directory, { recursive: true, encoding: 'utf8' });
    for (const path of [directory, ...entries.map((entry) => join(directory, entry))])
      lchownSync(path, account.uid, account.gid);
  } catch (error) {
    log.warn({ directory, error: messageOf(error) }, 'directory cannot be given to the user that the daemon becomes');
  }
}

/** Becomes `user` where the process is root and a user is configured; throws if that user does not exist. */
export function dropPrivileges(
  user: string | null,
  log: Logger,
  before: (account: Account) => void = () => undefined,
): void {
  const account = accountToTake(user);
  if (user === null || account === null) return;
  try {
    before(account);
    takeGroups(user, account.gid);
    process.setgid?.(account.gid);
    process.setuid?.(account.uid);
  } catch (error) {
    throw new Error(`user: cannot become "${user}": ${messageOf(error)}`, { cause: error });
  }
  log.debug({ user }, 'privileges dropped');
}

/**
 * The command line that starts a program which can never gain a privilege by what it executes, by a set-user-id file for one (prctl(2)
 * PR_SET_NO_NEW_PRIVS). Node cannot say that of itself; `setpriv` becomes what it starts, pid and descriptors included. As it is where that is
 * in force already, as under systemd, and where there is no setpriv.
 */
export function withoutNewPrivileges(program: string, args: readonly string[]): readonly [string, readonly string[]] {
  needsSetpriv ??= !hasNoNewPrivileges() && spawnSync('setpriv', ['--no-new-privs', 'true']).status === 0;
  return needsSetpriv ? ['setpriv', ['--no-new-privs', '--', program, ...args]] : [program, args];
}

let needsSetpriv: boolean | null = null;

function hasNoNewPrivileges(): boolean {
  try {
    return /^NoNewPrivs:\s+1$/m.test(readFileSync('/proc/self/status', 'utf8'));
  } catch {
    return false;
  }
}

/** Supplementary groups of the account, root's given up; Node's types leave the call out. */
function takeGroups(user: string, gid: number): void {
  const { initgroups } = process as { readonly initgroups?: (user: string, gid: number) => void };
  initgroups?.call(process, user, gid);
}
