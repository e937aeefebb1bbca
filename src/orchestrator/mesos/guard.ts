// Guard: whether a new picture of the cluster is to be believed where it says that something is gone (specs/orchestrator.md §5.3).
// A master that has just taken over legitimately shows nothing; missing rights look like an empty cluster. Neither may wipe anything.

import type { MesosPicture } from './picture.ts';

/** What was known before. */
export interface Known {
  readonly tasks: number;
  readonly agents: number;
  /** Whether the stream, beside which the picture was read, told of frameworks or tasks. */
  readonly told: boolean;
}

export type Judgement =
  /** Absent is gone. */
  | { readonly kind: 'believe' }
  /** The master still waits for its agents: absent tasks of theirs are held. */
  | { readonly kind: 'recovering' }
  /** Nothing goes until a later reading confirms. `confirmable`: a second look may be believed. */
  | { readonly kind: 'doubt'; readonly confirmable: boolean; readonly reason: string };

/** More than this share of tasks and of agents gone at once takes a second look. */
const suspiciousShare = 0.5;

export function judge(picture: MesosPicture, known: Known): Judgement {
  if (picture.recovered.size > 0) {
    const saysNothing = picture.agents.size > 0 && picture.frameworks.size === 0 && picture.tasks.size === 0;
    if (!known.told || !saysNothing) return { kind: 'recovering' };
    return doubt(false, 'a reading shows neither frameworks nor tasks, the stream beside it does: it lacks rights');
  }
  if (known.tasks === 0) return { kind: 'believe' };
  if (picture.agents.size === 0) {
    return doubt(false, 'the master lists no agents and waits for none: a new or another cluster, or a lost registry');
  }
  if (picture.frameworks.size === 0) {
    return doubt(false, 'the master lists agents but no frameworks: the principal lacks VIEW_FRAMEWORK and VIEW_TASK');
  }
  const fewTasks = picture.tasks.size < known.tasks * (1 - suspiciousShare);
  const fewAgents = picture.agents.size < known.agents * (1 - suspiciousShare);
  if (fewTasks && fewAgents) return doubt(true, 'more than half of the tasks and of the agents went at once');
  return { kind: 'believe' };
}

const doubt = (confirmable: boolean, reason: string): Judgement => ({ kind: 'doubt', confirmable, reason });
