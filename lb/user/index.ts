// The user-space plane of VIPs.

export * from './any-ip.ts';
export { endGuard, guardFromMappings } from './mapping-guard.ts';
export { defaultVipTimeouts, type VipTimeouts } from './vip-connections.ts';
export { proxyHeader } from './proxy-header.ts';
export * from './vip-function.ts';
