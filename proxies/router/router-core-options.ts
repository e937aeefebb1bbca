// What the router's core is made of.

import type { CidrMatcher, Clock, Logger, Random } from '../../src/runtime/index.ts';
import type { Peer, RequestView } from '../http1/index.ts';
import type { AccessLog } from './access-log.ts';
import type { ErrorPages } from './error-pages.ts';
import type { FrontDoor } from './front-door.ts';
import type { Mirrors } from './mirror.ts';
import type { CompiledRoute } from './route-plane.ts';
import type { RouterMetrics } from './router-metrics.ts';
import type { Service } from './service.ts';

export interface RouterCoreOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: RouterMetrics;
  readonly trusted: CidrMatcher;
  readonly via: string;
  readonly noRoute: 503 | 404;
  /** New requests are refused while it says so. */
  readonly overload: { readonly isShedding: boolean };
  readonly accessLog: AccessLog | null;
  readonly newRequestId: () => string;
  readonly errorPages: ErrorPages | null;
  readonly serviceOf: (id: string) => Service;
  readonly mirrors: Mirrors;
  /** What the connection decides before any route; null: nothing is to be decided. */
  readonly door: Pick<FrontDoor, 'answerTo'> | null;
  readonly lookup: (request: RequestView, peer: Peer) => CompiledRoute | null;
  readonly tunnelIdleMs: number;
  readonly tunnelHalfClosedMs: number;
  /** A whole request, its answer included; 0: without end. */
  readonly requestMs: number;
  /** A tunnel has ended. */
  readonly onTunnelEnd: () => void;
}
