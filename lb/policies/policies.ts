// The list of policies. A new one is a file here and a line below; its name is what configuration and labels say.

import type { Policy } from '../../src/ports/index.ts';
import { systemRandom, type Random } from '../../src/runtime/index.ts';
import { randomChoice } from './random.ts';
import { roundRobin } from './round-robin.ts';

const policies = {
  roundrobin: roundRobin,
  random: randomChoice,
} as const satisfies Readonly<Record<string, (random: Random) => Policy>>;

export type PolicyName = keyof typeof policies;

export const policyNames = Object.keys(policies) as readonly PolicyName[];

/**
 * All of them give each backend that is up its share by `weight`, skip what is draining, down, of weight 0 or among `tried`, and answer
 * null where nothing is left: whether an unhealthy backend is better than none is decided where weights are.
 */
export const policyNamed = (name: PolicyName, random: Random = systemRandom): Policy => policies[name](random);
