// Passive health of a forward's targets: one that could not be reached comes last for a while, and is tried again after that.

import type { Clock } from '../../src/runtime/index.ts';

export interface TargetOrder<T> {
  /** Those that are well in their configured order, then the others, the one that failed longest ago first. */
  inOrder(): readonly T[];
  failed(target: T): void;
  reached(target: T): void;
}

const outMs = 10_000;

/** `onChange` hears of a target that fails, and of one that is reached again. */
export function createTargetOrder<T>(
  targets: readonly T[],
  clock: Clock,
  onChange: (target: T, isWell: boolean) => void,
): TargetOrder<T> {
  const failedAt = new Map<T, number>();
  const isOut = (target: T): boolean => clock.monotonic() - (failedAt.get(target) ?? -Infinity) < outMs;
  return {
    inOrder() {
      if (failedAt.size === 0) return targets;
      const out = targets.filter(isOut).sort((a, b) => (failedAt.get(a) ?? 0) - (failedAt.get(b) ?? 0));
      return [...targets.filter((target) => !isOut(target)), ...out];
    },
    failed(target) {
      if (!failedAt.has(target)) onChange(target, false);
      failedAt.set(target, clock.monotonic());
    },
    reached(target) {
      if (failedAt.delete(target)) onChange(target, true);
    },
  };
}
