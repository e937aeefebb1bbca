// Meters of one source: events, reconnects, and what was passed over. The source's name comes from the configuration.

import type { Metrics } from '../runtime/index.ts';

export interface Meters {
  /** `type`: one of a fixed list, never a word from the network. */
  event(type: string): void;
  reconnect(): void;
  skipped(reason: string): void;
}

export function createMeters(metrics: Metrics, source: string): Meters {
  const events = metrics.counter('orchestrator_events_total', 'Events taken from a source', ['source', 'type']);
  const reconnects = metrics.counter('orchestrator_reconnects_total', 'Times a source was connected again', ['source']);
  const skipped = metrics.counter('orchestrator_skipped_total', 'Objects that could not be read', ['source', 'reason']);
  const reconnectCell = reconnects.cell(source);
  return {
    event: (type) => void events.cell(source, type).value++,
    reconnect: () => void reconnectCell.value++,
    skipped: (reason) => void skipped.cell(source, reason).value++,
  };
}
