// What a rule limits by itself: sessions at a time and new ones, bandwidth, and the times of its tunnels.

import { isLoopback, type Clock } from '../../src/runtime/index.ts';
import { createBucket, type Bucket } from './bandwidth.ts';
import type { RuleConfig, RuleTimeouts } from './rule-config.ts';
import { ruleLimitsOf, type SharedRuleLimits } from './settings.ts';

export interface RuleAccount {
  /** Where they say something else than the section does. */
  readonly timeouts: RuleTimeouts;
  /** Bytes a second of one connection; Infinity: no limit. */
  readonly connectionBytesPerSecond: number;
  /** Shared by all of the rule's connections; null: no limit. */
  readonly bucket: Bucket | null;
  /** Lets a session of `client` in (null), or says why not. Each entry is followed by one `leave`, a refusal by none. */
  enter(client: string): 'limit' | 'rate' | null;
  leave(client: string): void;
}

export interface RuleAccounts {
  /** No rule limits anything. */
  readonly isEmpty: boolean;
  /** Of the rule at this place of the list that is in force; null: it limits nothing, or no rule decided. */
  at(rule: number | null): RuleAccount | null;
}

export interface RuleAccountTable {
  /** By the rules in force; what was handed out before goes on to say what its own list said. */
  readonly now: RuleAccounts;
  /** Takes another list. A rule that says the same as one before, but for its limits and timeouts, counts on. */
  follow(rules: readonly RuleConfig[]): void;
}

/** Each of `workers` gets an equal part of what is over all connections, rounded up. */
export function createRuleAccounts(rules: readonly RuleConfig[], clock: Clock, workers = 1): RuleAccountTable {
  let byRule = new Map<string, Account>();
  let now: RuleAccounts = noAccounts;

  function follow(list: readonly RuleConfig[]): void {
    const next = new Map<string, Account>();
    const accounts = list.map((rule) => {
      if (rule.limits === undefined && rule.timeouts === undefined) return null;
      const key = keyOf(rule, next);
      const account = byRule.get(key) ?? new Account(clock);
      account.follow(rule, workers);
      next.set(key, account);
      return account;
    });
    byRule = next;
    const at = (rule: number | null): RuleAccount | null => (rule === null ? null : (accounts[rule] ?? null));
    now = next.size === 0 ? noAccounts : { isEmpty: false, at };
  }

  follow(rules);
  return {
    get now() {
      return now;
    },
    follow,
  };
}

const noAccounts: RuleAccounts = { isEmpty: true, at: () => null };

/** What a rule is about; two that are about the same are told apart by their order. */
function keyOf({ allow, deny, via, unsafe }: RuleConfig, taken: ReadonlyMap<string, unknown>): string {
  const about = JSON.stringify([allow, deny, via, unsafe]);
  let nth = 0;
  while (taken.has(`${nth} ${about}`)) nth++;
  return `${nth} ${about}`;
}

class Account implements RuleAccount {
  readonly #clock: Clock;
  readonly #clients = new Map<string, number>();
  #limits: SharedRuleLimits = ruleLimitsOf({}, 1);
  #sessions = 0;
  #tokens = 0;
  #filledAt: number;
  bucket: Bucket | null = null;
  timeouts: RuleTimeouts = {};

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledAt = clock.monotonic();
    this.#tokens = Infinity;
  }

  get connectionBytesPerSecond(): number {
    return this.#limits.connectionBytesPerSecond;
  }

  follow({ limits = {}, timeouts = {} }: RuleConfig, workers: number): void {
    this.#limits = ruleLimitsOf(limits, workers);
    this.timeouts = timeouts;
    const { bytesPerSecond } = this.#limits;
    if ((this.bucket?.perSecond ?? Infinity) !== bytesPerSecond)
      this.bucket = bytesPerSecond === Infinity ? null : createBucket(bytesPerSecond, this.#clock);
  }

  enter(client: string): 'limit' | 'rate' | null {
    const { connections, perClient } = this.#limits;
    if (this.#sessions >= connections) return 'limit';
    const isCounted = perClient !== Infinity && !isLoopback(client);
    if (isCounted && (this.#clients.get(client) ?? 0) >= perClient) return 'limit';
    if (!this.#takeToken()) return 'rate';
    this.#sessions++;
    this.#clients.set(client, (this.#clients.get(client) ?? 0) + 1);
    return null;
  }

  leave(client: string): void {
    this.#sessions--;
    const left = (this.#clients.get(client) ?? 0) - 1;
    if (left > 0) this.#clients.set(client, left);
    else this.#clients.delete(client);
  }

  #takeToken(): boolean {
    const { newPerSecond, newBurst } = this.#limits;
    if (newPerSecond === Infinity) return true;
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(newBurst, this.#tokens + ((now - this.#filledAt) / 1000) * newPerSecond);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
