// SOCKS proxy.

export { type SocksVersion } from './handshake.ts';
export * from './socks.ts';
