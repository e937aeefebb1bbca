// The user-space plane of VIPs.

export { defaultVipTimeouts, type VipTimeouts } from './vip-connections.ts';
export * from './vip-function.ts';
