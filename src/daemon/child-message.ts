// What the supervisor and its children say to each other over the ipc channel of stdio: life and death only. Tables and metrics go over
// the workers' own sockets, which outlive a supervisor.

import type { LiveChange } from './live-change.ts';
import type { BindFailure, BoundPlan } from './sockets.ts';
import type { VipPlaneChoice } from './vip-plane.ts';

/** A socket that the child inherited as descriptor `fd`; null: it only knows of it, since a copy would keep it open. */
export interface InheritedSocket extends BoundPlan {
  readonly fd: number | null;
}

export interface ChildInit {
  readonly type: 'init';
  readonly role: 'control' | 'worker';
  readonly generation: number;
  /** Of the configuration: the number of the start, reload or upgrade that brought it. What is taken in place makes no generation. */
  readonly edition: number;
  readonly slot: number;
  /** Workers of this generation. */
  readonly workers: number;
  readonly configText: string;
  readonly configFile: string;
  readonly readyTimeoutMs: number;
  /** Takes the place of one that died: the daemon has been ready before. */
  readonly respawned: boolean;
  /** A picture of the cluster is served by others: a former generation, or the workers of a control process that died. */
  readonly servesAlready: boolean;
  readonly sockets: readonly InheritedSocket[];
  readonly failures: readonly BindFailure[];
  /** `host:port` of everything that the daemon listens on, this child or another. */
  readonly addresses: readonly string[];
  readonly vipPlane: VipPlaneChoice;
  /** Where the workers' sockets are. */
  readonly directory: string;
}

export type SupervisorMessage =
  | ChildInit
  /** Control: the daemon drains. */
  | { readonly type: 'unready' }
  /** Let what is under way end, then exit; said again, by another deadline. `isHandover`: a successor has the same sockets. */
  | { readonly type: 'drain'; readonly deadlineMs: number; readonly isHandover: boolean }
  /** Worker: another one takes its place. Serves on by the tables it has, and control is to talk to the other one. */
  | { readonly type: 'retire' }
  | Reconfigure
  | { readonly type: 'reopen' };

/** The configuration has changed by what running processes take in place. */
export interface Reconfigure {
  readonly type: 'reconfigure';
  readonly edition: number;
  readonly change: LiveChange;
}

export type ChildMessage =
  | { readonly type: 'alive' }
  /** Alive, and may be silent for a while: a worker that takes whole tables in. */
  | { readonly type: 'busy' }
  /** Control: the ready line of this edition is out. Worker: it listens on its socket. */
  | { readonly type: 'ready' }
  /** Control: the first complete tables are out. */
  | { readonly type: 'pictured' }
  /** Why it ends now, unasked. */
  | { readonly type: 'failed'; readonly reason: string }
  /** Worker: its functions have started. */
  | { readonly type: 'serving' }
  /** Control: somebody asked by the admin API that the configuration be read again. */
  | { readonly type: 'reload' }
  /** Control: nothing to serve within the ready timeout. */
  | { readonly type: 'hopeless' };

/** A child says it is alive this often; four misses and it is taken for stalled. */
export const heartbeatMs = 250;

/** Where a worker of a generation listens for control. */
export function workerSocketPath(directory: string, generation: number, slot: number): string {
  return `${directory}/worker-${generation}-${slot}.sock`;
}
