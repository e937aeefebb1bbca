// Tools that know nothing of clusters.

export * from './backoff.ts';
export * from './cidr.ts';
export * from './clock.ts';
export * from './coalesce.ts';
export * from './errors.ts';
export * from './hash-row.ts';
export * from './http-server.ts';
export * from './listener.ts';
export * from './log.ts';
export * from './loopback.ts';
export * from './metrics.ts';
export * from './open-addresses.ts';
export * from './random.ts';
export * from './run-in-slices.ts';
export * from './tunnel.ts';
export { connectForTunnel } from './tunnel-intake.ts';
export * from './on-demand.ts';
