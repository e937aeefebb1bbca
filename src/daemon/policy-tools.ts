// What all balancers of a worker share: its ledger, and what the configuration says of health and of where we are.

import { networkInterfaces } from 'node:os';
import type { Ledger, PolicyTools } from '../../lb/index.ts';
import type { Clock, Random } from '../runtime/index.ts';
import type { HealthConfig } from './config/index.ts';

export interface PolicyToolsOptions {
  readonly health: HealthConfig | null;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
}

export function policyTools({ health, ...shared }: PolicyToolsOptions): PolicyTools {
  const own = new Set(Object.values(networkInterfaces()).flatMap((some) => some?.map(({ address }) => address) ?? []));
  const zone = health?.zone ?? null;
  return {
    ...shared,
    slowStartMs: health?.slowStartMs ?? 0,
    panicRatio: health?.panicRatio ?? 0,
    isLocal: (backend) => own.has(backend.ip) || (zone !== null && backend.zone === zone),
  };
}
