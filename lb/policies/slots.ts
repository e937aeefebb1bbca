// Slots: the backends that take new traffic, each as often as its weight says and spread out evenly. Built once per set, so that a pick
// is an index.

import type { Backend, BackendSet } from '../../src/cluster/index.ts';

/** Bounds what a lopsided set costs to build and hold; weights are kept to within a part in this many. */
const mostSlots = 1024;

/** Empty where no backend is up. A backend that is up has at least one slot, whatever its weight. */
export function slotsOf(set: BackendSet): readonly Backend[] {
  const up = set.backends.filter((backend) => backend.state === 'up' && backend.weight > 0);
  const first = up[0];
  if (first === undefined || up.every((backend) => backend.weight === first.weight)) return up;
  return spread(up);
}

/** The smooth weighted round of nginx: each slot goes to the backend that is owed most, which pays with the total. */
function spread(backends: readonly Backend[]): readonly Backend[] {
  const total = backends.reduce((sum, backend) => sum + backend.weight, 0);
  const least = backends.reduce((min, backend) => Math.min(min, backend.weight), Infinity);
  const count = Math.max(backends.length, Math.min(mostSlots, Math.round(total / least)));
  const owed = new Float64Array(backends.length);
  const slots: Backend[] = [];
  for (let i = 0; i < count; i++) {
    const next = mostOwed(backends, owed);
    owed[next] = (owed[next] ?? 0) - total;
    slots.push(backends[next] as Backend);
  }
  const present = new Set(slots);
  return [...slots, ...backends.filter((backend) => !present.has(backend))];
}

function mostOwed(backends: readonly Backend[], owed: Float64Array): number {
  let most = 0;
  backends.forEach((backend, i) => {
    owed[i] = (owed[i] ?? 0) + backend.weight;
    if ((owed[i] ?? 0) > (owed[most] ?? 0)) most = i;
  });
  return most;
}
