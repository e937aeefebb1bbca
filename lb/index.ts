// Balancing: policies for everybody who chooses a backend, the table of VIPs, and the planes that serve it.

export * from './addresses.ts';
export type { AllocatorState } from './allocator-state.ts';
export * from './dcos-vips.ts';
export * from './explain-vip.ts';
export * from './health/index.ts';
export type { Balance, HashKey } from './policies/balance.ts';
export * from './kernel/index.ts';
export { createLedger, type Ledger, type TryReport } from './policies/ledger.ts';
export { maglevTable } from './policies/maglev-table.ts';
export * from './policies/parse-balance.ts';
export * from './policies/policies.ts';
export * from './policies/request-key.ts';
export * from './user/index.ts';
export * from './vip-diff.ts';
export * from './vip-options.ts';
export * from './vip-record.ts';
export * from './vip-view.ts';
export { whyInState, type KnownOfBackends } from './why-in-state.ts';
