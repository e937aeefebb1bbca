// Port: a source of cluster events. Implementations translate foreign objects at this border; nothing behind it knows Mesos or Marathon.

import type { ClusterEvent } from '../cluster/index.ts';

export interface Orchestrator {
  /** Names the source in logs, metrics and `/v1/status`, such as `mesos` or `marathon:marathon-contract`. Unique in a daemon. */
  readonly name: string;
  /**
   * Events in batches, in order. May be called once. The first data event is a `resync`, and after any gap another `resync` comes;
   * between them every change of the source is told. Failures that may pass are `lost-contact` events, never exceptions: what was said
   * before stays true until said otherwise. `contact` follows when the source answers again. Ends when `signal` aborts; throws only for
   * bugs. A slow consumer slows the source down.
   */
  watch(signal: AbortSignal): AsyncIterable<readonly ClusterEvent[]>;
}
