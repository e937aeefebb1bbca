// Events: everything that can happen to the snapshot. Orchestrators speak nothing else; foreign objects end at their border.

import type { Agent } from './agent.ts';
import type { App } from './app.ts';
import type { Verdict } from './backend.ts';
import type { Framework } from './framework.ts';
import type { AgentId, AppKey, BackendKey, FrameworkId, TaskKey } from './ids.ts';
import type { Masters } from './masters.ts';
import type { Task } from './task.ts';
import type { Allocation } from './vip.ts';

/** The whole picture of one source. What is not in it is gone. */
export interface Picture {
  readonly tasks: readonly Task[];
  readonly agents: readonly Agent[];
  readonly frameworks: readonly Framework[];
  readonly apps: readonly App[];
  readonly masters: Masters;
}

export type ClusterEvent =
  | { readonly type: 'resync'; readonly picture: Picture }
  /** A record of null: gone. */
  | { readonly type: 'task'; readonly key: TaskKey; readonly task: Task | null }
  | { readonly type: 'agent'; readonly id: AgentId; readonly agent: Agent | null }
  | { readonly type: 'framework'; readonly id: FrameworkId; readonly framework: Framework | null }
  | { readonly type: 'app'; readonly key: AppKey; readonly app: App | null }
  | { readonly type: 'masters'; readonly masters: Masters }
  /** A new master knows of these agents by its registry alone, and says nothing of their tasks yet. For whoever merges sources. */
  | { readonly type: 'awaited'; readonly agents: ReadonlySet<AgentId> }
  /** lb/health or an operator on a backend; null: no opinion any more. */
  | { readonly type: 'checked'; readonly backend: BackendKey; readonly verdict: Verdict | null }
  /** The store on the address of a named VIP; null: the name is free again. */
  | { readonly type: 'allocated'; readonly name: string; readonly allocation: Allocation | null }
  /** The source answers (again); `at` is epoch milliseconds. */
  | { readonly type: 'contact'; readonly source: string; readonly at: number }
  /** The source cannot be reached; what it said last keeps serving. `reason` is one line for people, without secrets. */
  | { readonly type: 'lost-contact'; readonly source: string; readonly at: number; readonly reason: string };
