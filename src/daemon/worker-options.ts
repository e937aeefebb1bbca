// What a worker is made from: the functions and planes that were composed for it, and what it needs of its process.

import type { TlsMaterial } from '../../certs/index.ts';
import type { Ledger } from '../../lb/index.ts';
import type { Plane } from '../ports/index.ts';
import type { Clock, Logger, Metrics, Random } from '../runtime/index.ts';
import type { LiveChange } from './live-change.ts';
import type { WorkerFunction } from './running-functions.ts';
import type { AnyRecord } from './tables.ts';

export interface WorkerParts {
  readonly functions: readonly WorkerFunction[];
  readonly planes: readonly Plane<AnyRecord>[];
  /** What the functions note of backends, for control. */
  readonly ledger?: Ledger;
  /** Handshakes are made by this from now on. Absent: nobody speaks TLS. */
  readonly takeTls?: (material: TlsMaterial) => void;
  /** What the functions are told where the configuration changes under them. */
  readonly reconfigure?: (change: LiveChange) => void;
}

export interface WorkerOptions extends WorkerParts {
  readonly slot: number;
  readonly generation: number;
  /** Of the configuration that the functions were made from. */
  readonly edition: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly reopenLogs: () => void;
  /** Whole tables are on their way; `isBusy` until they are in force. */
  readonly onBusy: () => void;
  /** The functions have started, or failed to. */
  readonly onStarted?: () => void;
}
