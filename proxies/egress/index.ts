// HTTP forward proxy.

export * from './egress.ts';
export type { ClientOptions } from './client-pages.ts';
export type { EgressChange, EgressOptions } from './options.ts';
