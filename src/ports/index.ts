// Every plug point of the daemon. Types and contracts only.

export type * from './certificates.ts';
export type * from './challenge.ts';
export type * from './orchestrator.ts';
export type * from './plane.ts';
export type * from './policy.ts';
export type * from './resolver.ts';
export type * from './store.ts';
export type * from './view.ts';
