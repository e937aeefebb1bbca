// Decides the next step towards what a definition asks for: which instances to start and which to kill. Pure.
import type { Instance, RunRecord } from './marathon-records.ts';

interface RolloutStep {
  readonly start: number;
  readonly kill: readonly Instance[];
}

interface Capacity {
  readonly minimumHealthCapacity: number;
  readonly maximumOverCapacity: number;
}

const DEFAULT_CAPACITY: Capacity = { minimumHealthCapacity: 1, maximumOverCapacity: 1 };

export function rolloutStep(record: RunRecord, isUp: (instance: Instance) => boolean): RolloutStep {
  const target = record.removed ? 0 : record.target;
  const live = record.instances.filter(({ killing, inactive }) => !killing && !inactive);
  const fresh = live.filter(({ configVersion }) => configVersion === record.configVersion);
  const old = live.filter(({ configVersion }) => configVersion !== record.configVersion);
  const { minimumHealthCapacity, maximumOverCapacity } = record.app?.upgradeStrategy ?? DEFAULT_CAPACITY;
  const needed = Math.ceil(target * minimumHealthCapacity);
  // Without room above or below nothing could move: Marathon then allows one more.
  const limit = Math.max(Math.floor(target * (1 + maximumOverCapacity)), needed >= target ? target + 1 : target);
  const present = record.instances.filter(({ inactive }) => !inactive).length;
  const room = old.length === 0 ? target : limit - present;
  const spare = live.filter(isUp).length - needed;
  const sick = old.filter((instance) => !isUp(instance));
  const upOld = byKillSelection(record, old.filter(isUp)).slice(0, Math.max(0, target === 0 ? old.length : spare));
  const surplus = byKillSelection(record, fresh).slice(0, Math.max(0, fresh.length - target));
  return { start: Math.max(0, Math.min(target - fresh.length, room)), kill: [...sick, ...upOld, ...surplus] };
}

export function hasConverged(record: RunRecord, isUp: (instance: Instance) => boolean): boolean {
  if (record.removed) return record.instances.length === 0;
  const live = record.instances.filter(({ inactive }) => !inactive);
  return (
    live.length === record.target &&
    live.every((each) => !each.killing && each.configVersion === record.configVersion && isUp(each))
  );
}

function byKillSelection(record: RunRecord, instances: readonly Instance[]): readonly Instance[] {
  const sign = record.app?.['killSelection'] === 'OLDEST_FIRST' ? 1 : -1;
  return [...instances].sort((a, b) => sign * (a.order - b.order));
}
