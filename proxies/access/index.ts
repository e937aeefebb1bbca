// What SOCKS, the HTTP proxy and the forwards share: who may reach what, how it is dialled, and how a session is counted and logged.

export { createAcceptor } from './acceptor.ts';
export * from './admission.ts';
export { createDescriptorBudget } from './descriptors.ts';
export { canonicalIp, clientAddress, embeddedIPv4, hostPort } from './address.ts';
export * from './destination.ts';
export * from './dial.ts';
export * from './failure.ts';
export type * from './options.ts';
export type { OwnerRecord } from './owner-record.ts';
export * from './owners-view.ts';
export * from './owners.ts';
export * from './parents.ts';
export { hashPassword } from './password.ts';
export * from './proxy-intro.ts';
export { createLoopCheck, listenerText } from './ranges.ts';
export { interleave, race, type Connect } from './race.ts';
export type * from './rule-config.ts';
export * from './rules.ts';
export * from './session.ts';
export type { SessionLog } from './session-lines.ts';
export * from './settings.ts';
export * from './terminator.ts';
export { enterTls, type Secure } from './tls-entry.ts';
export * from './users.ts';
export * from './core.ts';
export { sayFarewell } from './farewell.ts';
