// Static TCP forwards.

export * from './forwards.ts';
