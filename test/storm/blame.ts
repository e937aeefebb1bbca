// Whose fault a loss was: a back end's that was killed, a worker's that was killed or stopped, or the daemon's, which is the only one that
// a storm forgives nothing.

import type { Loss } from './targets.ts';

export type Fault = 'back end' | 'worker' | 'listener' | 'daemon';

/** A span of time that explains losses. */
export interface Excuse {
  /** `end of task`: by its orchestrator, who lets it finish what is short. */
  readonly of: 'worker' | 'task' | 'end of task' | 'generation';
  readonly from: number;
  /** Infinity while it lasts. */
  until: number;
  /** Of a task that ended. */
  readonly task?: string;
  /** What is open when a worker dies is lost with it, not more. */
  most?: number;
}

/** What a worker has in its hands takes a moment to be seen as lost. */
const slackMs = 400;
/** Kinds whose bytes nobody may send twice: what a back end had read when it died is lost with it. */
const unrepeatable: ReadonlySet<string> = new Set(['vip', 'socks', 'proxy', 'held socks', 'websocket']);
/** Listeners that workers open themselves. */
const ownListeners: ReadonlySet<string> = new Set(['vip', 'socks', 'proxy']);

export function faultOf(loss: Loss, excuses: readonly Excuse[]): Fault {
  const during = excuses.filter(({ from, until }) => loss.from <= until + slackMs && loss.until >= from);
  if (during.some((excuse) => excuse.of === 'task' && isOfTask(loss, excuse))) return 'back end';
  if (during.some((excuse) => excuse.of === 'end of task' && loss.isLong && loss.task === excuse.task))
    return 'back end';
  const worker = during.find((excuse) => excuse.of === 'worker' && (excuse.most ?? Infinity) > 0);
  if (worker !== undefined) {
    if (worker.most !== undefined) worker.most--;
    return 'worker';
  }
  if (ownListeners.has(loss.kind) && during.some(({ of }) => of === 'generation')) return 'listener';
  return 'daemon';
}

/** Nothing is known of a task that had not answered: what cannot be sent twice may have been with it. */
function isOfTask(loss: Loss, { task, from }: Excuse): boolean {
  if (loss.task !== undefined) return loss.task === task;
  return unrepeatable.has(loss.kind) && loss.from <= from;
}
