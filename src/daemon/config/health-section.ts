// `health`: what the balancers think of backends besides what the cluster says.

import { defaulted, flag, mapped, optional, section, word, type Field } from './field.ts';
import { duration, ratio } from './value-fields.ts';

export interface HealthConfig {
  /** Checks of our own, where an app describes them. */
  readonly checks: boolean;
  /** Whether backends that fail real traffic are left out for a while. */
  readonly eject: boolean;
  /** Time over which a new backend's share grows to its full; 0: at once. */
  readonly slowStartMs: number;
  /** Share of backends in health below which all are used regardless: 0 to 1. */
  readonly panicRatio: number;
  /** Zone (fault domain of Mesos) in which this edge stands: the policy `local` prefers it. Null: only this machine is near. */
  readonly zone: string | null;
}

export function healthSection(): Field<HealthConfig> {
  const fields = section({
    checks: defaulted(flag, true),
    eject: defaulted(flag, true),
    slowStart: defaulted(duration, '0s'),
    panic: defaulted(ratio, '50%'),
    zone: optional(word, null),
  });
  return mapped(fields, ({ slowStart, panic, ...rest }) => ({ ...rest, slowStartMs: slowStart, panicRatio: panic }));
}
