// Balancing: policies for everybody who chooses a backend, the table of VIPs, and the planes that serve it.

export * from './policies/policies.ts';
export * from './addresses.ts';
export * from './vip-record.ts';
export * from './vip-view.ts';
export * from './user/index.ts';
