// Passwords on a listener that others can read: refused unless somebody says that it is meant.

import { isLoopback } from '../../runtime/index.ts';
import type { Address } from './host-port.ts';
import type { Mistake } from './mistake.ts';

interface PasswordListener {
  readonly listen: readonly Address[];
  readonly users: string | null;
  readonly clearAuth: boolean;
  readonly tls: boolean;
}

export function clearPasswordMistake({ listen, users, clearAuth, tls }: PasswordListener): Mistake | null {
  const open = listen.find(({ host }) => !isLoopback(host));
  if (users === null || clearAuth || tls || open === undefined) return null;
  return {
    wrong: `asks for passwords in clear text on ${open.host}, which other machines reach`,
    remedy: 'set tls: true, listen on 127.0.0.1, or set clearAuth: true if that is meant',
  };
}
