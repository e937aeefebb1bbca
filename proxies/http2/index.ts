// HTTP/2 message framing on raw and TLS sockets: the same exchanges as HTTP/1 gives.

export { grpcStatus, isGrpcType } from './grpc.ts';
export * from './http2-front.ts';
export * from './http2-limits.ts';
export type * from './stream-host.ts';
export * from './upstream-pool.ts';
