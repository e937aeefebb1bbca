// HTTP forward proxy.

export * from './egress.ts';
export type { ClientOptions } from './client-pages.ts';
