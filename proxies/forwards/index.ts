// Static TCP forwards.

export * from './forwards.ts';
export { createForwardTargets, pickInTurn, type ForwardTargets } from './target-plane.ts';
export { createForwardView } from './target-view.ts';
