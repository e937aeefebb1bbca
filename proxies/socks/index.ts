// SOCKS proxy.

export * from './socks.ts';
