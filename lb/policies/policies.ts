// The list of policies. A new one is a file here and a line below; its name is what configuration and labels say.

import type { Backend, BackendSet } from '../../src/cluster/index.ts';
import type { Policy } from '../../src/ports/index.ts';
import { systemClock, systemRandom, type Clock, type Random } from '../../src/runtime/index.ts';
import type { Balance } from './balance.ts';
import type { Candidate, Chooser } from './candidate.ts';
import { firstInOrder } from './first.ts';
import { leastConnections } from './least-connections.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { maglev } from './maglev.ts';
import { preferLocal } from './prefer-local.ts';
import { randomChooser } from './random.ts';
import { roundRobin } from './round-robin.ts';
import { SetPicker } from './set-picker.ts';
import { twoChoices } from './two-choices.ts';

export interface PolicyTools {
  readonly random?: Random;
  readonly clock?: Clock;
  /** Of this worker; absent: one of its own. */
  readonly ledger?: Ledger;
  /** Time over which the share of a fresh backend grows from a tenth to all; absent or 0: at once. */
  readonly slowStartMs?: number;
  /** Share of backends in health below which the failing ones are used as well, 0 to 1; absent or 0: never. */
  readonly panicRatio?: number;
  /** Whether a backend is near, for `local`; absent: none is. */
  readonly isLocal?: (backend: Backend) => boolean;
}

interface Making {
  readonly candidates: readonly Candidate[];
  readonly former: Chooser | null;
  readonly set: BackendSet;
  readonly random: Random;
  readonly draws: number;
  readonly isLocal: (backend: Backend) => boolean;
}

const inTurn = ({ candidates, former, random }: Making): Chooser => roundRobin(candidates, former, random);
const byHash = ({ candidates }: Making): Chooser => maglev(candidates);

const policies = {
  roundrobin: inTurn,
  /** The same: every policy gives shares by weight. */
  weighted: inTurn,
  random: ({ candidates, draws }) => randomChooser(candidates, draws),
  leastconn: ({ candidates, random }) => leastConnections(candidates, random),
  'two-choices': ({ candidates }) => twoChoices(candidates),
  maglev: byHash,
  hash: byHash,
  first: ({ candidates }) => firstInOrder(candidates),
  local: nearAndFar,
} as const satisfies Readonly<Record<string, (making: Making) => Chooser>>;

export type PolicyName = keyof typeof policies;

export const policyNames = Object.keys(policies) as readonly PolicyName[];

/** Policies by which equal hashes meet the same backend: they want a hash of something, and know no slow start. */
export const hashesRequests = (policy: string): boolean => policy === 'maglev' || policy === 'hash';

/**
 * All of them give each backend that is up its share by `weight` (`first` gives all to one), skip what is draining, down, of weight 0 or
 * among `tried`, and answer null where nothing is left.
 */
export function policyOf({ policy, draws = 2 }: Balance, tools: PolicyTools = {}): Policy {
  const { random = systemRandom, clock = systemClock, ledger = createLedger(), isLocal = noneIsLocal } = tools;
  const make: (making: Making) => Chooser = policies[policyNames.find((name) => name === policy) ?? 'roundrobin'];
  const slowStartMs = hashesRequests(policy) || policy === 'first' ? 0 : (tools.slowStartMs ?? 0);
  const options = {
    ...{ ledger, clock, random, slowStartMs, panicRatio: tools.panicRatio ?? 0 },
    choose: (candidates: readonly Candidate[], former: Chooser | null, set: BackendSet) =>
      make({ candidates, former, set, random, draws, isLocal }),
  };
  return (set, previous) => new SetPicker(set, previous, options);
}

/** By name alone, without what a worker shares. */
export const policyNamed = (name: PolicyName, random: Random = systemRandom): Policy =>
  policyOf({ policy: name }, { random });

function nearAndFar({ candidates, former, set, random, isLocal }: Making): Chooser {
  const near = candidates.filter(({ backend }) => isLocal(backend));
  const nearby = set.backends.filter((backend) => backend.state !== 'draining' && isLocal(backend));
  if (near.length === 0) return roundRobin(candidates, former, random);
  const far = candidates.filter(({ backend }) => !isLocal(backend));
  const turns = (some: readonly Candidate[]): Chooser => roundRobin(some, null, random);
  return preferLocal(turns(near), turns(far), near.length / nearby.length, random);
}

const noneIsLocal = (): boolean => false;
