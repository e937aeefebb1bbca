// Static TCP forwards.

export * from './forwards.ts';
export { createForwardTargets, pickInTurn, type ForwardTargets } from './target-plane.ts';
export { targetKey } from './target-record.ts';
export { createForwardView } from './target-view.ts';
