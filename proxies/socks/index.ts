// SOCKS proxy.

export type * from './options.ts';
export * from './socks.ts';
