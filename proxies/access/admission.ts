// The second gate, once it is known who asks: connections at a time of one user and of one app, and the bandwidth that they share.

import type { Clock, Shaper } from '../../src/runtime/index.ts';
import { createBandwidth, type Bucket } from './bandwidth.ts';
import type { AccessLimits } from './settings.ts';

export interface Guest {
  /** Listener that it came by, as text. */
  readonly listener: string;
  readonly user: string | null;
  readonly apps: readonly string[];
}

export interface Admission {
  /** For the tunnel; null: no limit. */
  readonly shaper: Shaper | null;
  /** To be called once, at the end of the session. */
  release(): void;
}

export interface Admissions {
  /** A refusal needs no release. */
  admit(guest: Guest): Admission | 'limit';
  /** The limits have changed: who comes from now on shares bandwidth by the new ones. */
  retune(): void;
}

interface Account {
  connections: number;
  bucket: Bucket | null;
}

export function createAdmissions(
  limits: AccessLimits,
  clock: Clock,
  onHit?: (limit: 'user' | 'app') => void,
): Admissions {
  const bandwidth = createBandwidth(clock);
  const users = new Map<string, Account>();
  const apps = new Map<string, Account>();
  const listeners = new Map<string, Account>();
  const bucketOf = (perSecond: number): Bucket | null => (perSecond === Infinity ? null : bandwidth.bucket(perSecond));

  const enter = (accounts: Map<string, Account>, key: string, perSecond: number): Account => {
    let account = accounts.get(key);
    if (account === undefined) accounts.set(key, (account = { connections: 0, bucket: bucketOf(perSecond) }));
    account.connections++;
    return account;
  };
  const leave = (accounts: Map<string, Account>, key: string): void => {
    const account = accounts.get(key);
    if (account !== undefined && --account.connections === 0) accounts.delete(key);
  };
  const isFull = (accounts: ReadonlyMap<string, Account>, key: string, most: number): boolean =>
    (accounts.get(key)?.connections ?? 0) >= most;

  const retuneAll = (accounts: Map<string, Account>, perSecond: number): void => {
    for (const account of accounts.values())
      if ((account.bucket?.perSecond ?? Infinity) !== perSecond) account.bucket = bucketOf(perSecond);
  };

  return {
    retune() {
      retuneAll(users, limits.userBytesPerSecond);
      retuneAll(listeners, limits.listenerBytesPerSecond);
    },
    admit(guest) {
      const { listener, user } = guest;
      if (user !== null && isFull(users, user, limits.perUser)) {
        onHit?.('user');
        return 'limit';
      }
      if (guest.apps.some((app) => isFull(apps, app, limits.perApp))) {
        onHit?.('app');
        return 'limit';
      }
      const accounts = [enter(listeners, listener, limits.listenerBytesPerSecond)];
      if (user !== null) accounts.push(enter(users, user, limits.userBytesPerSecond));
      for (const app of guest.apps) enter(apps, app, Infinity);
      const own = bucketOf(limits.connectionBytesPerSecond);
      const buckets = [own, ...accounts.map(({ bucket }) => bucket)].filter((bucket) => bucket !== null);
      return {
        shaper: bandwidth.shaper(buckets),
        release() {
          leave(listeners, listener);
          if (user !== null) leave(users, user);
          for (const app of guest.apps) leave(apps, app);
        },
      };
    },
  };
}
