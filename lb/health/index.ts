// Health of backends: one opinion of operators, checks of our own and real traffic.

export type { CheckRule } from './check-rule.ts';
export * from './health.ts';
export type { Endpoint, Probe } from './probe.ts';
export type { WatchedSet } from './watched-sets.ts';
