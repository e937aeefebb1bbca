// The cluster model: what the daemon knows about the world. Pure; imports nothing.

export * from './address.ts';
export * from './agent.ts';
export * from './app.ts';
export * from './backend.ts';
export * from './delta.ts';
export * from './diagnostic.ts';
export * from './equality.ts';
export * from './event.ts';
export * from './framework.ts';
export * from './ids.ts';
export * from './labels.ts';
export * from './masters.ts';
export * from './reduce.ts';
export * from './share.ts';
export * from './snapshot.ts';
export * from './task.ts';
export * from './task-json.ts';
export * from './vip.ts';
