// The second gate, once it is known who asks: connections at a time of one user, of one app and of a rule, and the bandwidth that they share.

import type { Clock, Shaper } from '../../src/runtime/index.ts';
import { createBandwidth, type Bucket } from './bandwidth.ts';
import type { RuleAccount } from './rule-account.ts';
import type { RuleTimeouts } from './rule-config.ts';
import type { AccessLimits } from './settings.ts';

export interface Guest {
  /** Listener that it came by, as text. */
  readonly listener: string;
  readonly user: string | null;
  readonly apps: readonly string[];
}

export interface Admission {
  /** For the tunnel, once the rule is known; null: no limit. */
  readonly shaper: Shaper | null;
  /** Those of the rule. */
  readonly timeouts: RuleTimeouts;
  /** Counts the session for the rule that allowed it, until `release`: null, or why the rule keeps it out. Once for each rule. */
  follow(account: RuleAccount | null, client: string): 'limit' | 'rate' | null;
  /** To be called once, at the end of the session. */
  release(): void;
}

export interface Admissions {
  /** A refusal needs no release. */
  admit(guest: Guest): Admission | 'limit';
  /** The limits have changed: who comes from now on shares bandwidth by the new ones. */
  retune(): void;
}

/** A session's with one rule. */
interface Place {
  readonly account: RuleAccount;
  readonly client: string;
}

const noTimeouts: RuleTimeouts = {};

interface Account {
  connections: number;
  bucket: Bucket | null;
}

export function createAdmissions(
  limits: AccessLimits,
  clock: Clock,
  onHit?: (limit: 'user' | 'app' | 'rule') => void,
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

  const shaperOf = (accounts: readonly Account[], places: readonly Place[]): Shaper | null => {
    const own = bucketOf(limits.connectionBytesPerSecond);
    const ofRules = places.flatMap(({ account }) => [account.bucket, bucketOf(account.connectionBytesPerSecond)]);
    const buckets = [own, ...accounts.map(({ bucket }) => bucket), ...ofRules].filter((bucket) => bucket !== null);
    return bandwidth.shaper(buckets);
  };

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
      const places: Place[] = [];
      let isOver = false;
      return {
        get shaper() {
          return shaperOf(accounts, places);
        },
        get timeouts() {
          return places[0]?.account.timeouts ?? noTimeouts;
        },
        follow(account, client) {
          if (account === null) return null;
          // An address that comes after its session has ended.
          if (isOver) return 'limit';
          if (places.some((place) => place.account === account)) return null;
          const refusal = account.enter(client);
          if (refusal === null) places.push({ account, client });
          else onHit?.('rule');
          return refusal;
        },
        release() {
          for (const { account, client } of places) account.leave(client);
          isOver = true;
          leave(listeners, listener);
          if (user !== null) leave(users, user);
          for (const app of guest.apps) leave(apps, app);
        },
      };
    },
  };
}
