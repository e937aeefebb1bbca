// The DNS codec: names, records, messages and TCP framing.

export * from './address.ts';
export * from './frame.ts';
export * from './layout.ts';
export * from './message.ts';
export * from './name.ts';
export * from './query.ts';
export * from './rdata.ts';
export * from './rr-type.ts';
