// Drops root after the sockets are bound. A process that has dropped cannot bind a low port again: that is the point.

import type { Logger } from '../runtime/index.ts';
import { messageOf } from '../runtime/index.ts';
import { lookUpUser } from './users.ts';

/** Becomes `user` where the process is root and a user is configured; throws if that user does not exist. */
export function dropPrivileges(
  user: string | null,
  log: Logger,
  before: (uid: number, gid: number) => void = () => undefined,
): void {
  if (user === null || process.getuid?.() !== 0) return;
  const account = lookUpUser(user);
  if (account === null)
    throw new Error(`user: there is no user "${user}" on this machine; create it or take the key out`);
  try {
    before(account.uid, account.gid);
    takeGroups(user, account.gid);
    process.setgid?.(account.gid);
    process.setuid?.(account.uid);
  } catch (error) {
    throw new Error(`user: cannot become "${user}": ${messageOf(error)}`, { cause: error });
  }
  log.debug({ user }, 'privileges dropped');
}

/** Supplementary groups of the account, root's given up; Node's types leave the call out. */
function takeGroups(user: string, gid: number): void {
  const { initgroups } = process as { readonly initgroups?: (user: string, gid: number) => void };
  initgroups?.call(process, user, gid);
}
