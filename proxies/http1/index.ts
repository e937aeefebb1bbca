// HTTP/1.1 message framing on raw sockets, and the exchange that hides the version from those who handle requests.

export * from './body-reader.ts';
export * from './byte-classes.ts';
export * from './cut-socket.ts';
export * from './deadlines.ts';
export * from './exchange.ts';
export * from './field-list.ts';
export * from './field-names.ts';
export * from './framing.ts';
export * from './hop-by-hop.ts';
export * from './http-date.ts';
export * from './http1-front.ts';
export * from './latin1.ts';
export * from './limits.ts';
export * from './lines-without.ts';
export * from './local-answer.ts';
export * from './peer.ts';
export * from './read-buffers.ts';
export * from './request-head.ts';
export * from './request-target.ts';
export * from './response-head.ts';
export { readShared } from './shared-reads.ts';
export * from './switching.ts';
export * from './upstream-pool.ts';
export * from './upstream-user.ts';
