// TLS in front of the router: the ClientHello first, then the server that its name asks for.

export * from './client-hello.ts';
export * from './client-policy.ts';
export * from './peek.ts';
export * from './profiles.ts';
export * from './proxy-header.ts';
export * from './tls-listener.ts';
export * from './tls-metrics.ts';
