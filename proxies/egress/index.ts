// HTTP forward proxy.

export * from './egress.ts';
export type { PacOptions } from './pac.ts';
