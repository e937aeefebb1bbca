// What metrics tell of the zone's names, from control's side.

import type { Metrics } from '../src/runtime/index.ts';
import type { ZoneView } from './zone/index.ts';

/** Gauges `isthmus_dns_name_collisions`, `isthmus_dns_names_shortened` and `isthmus_dns_zone_serial{zone}`. */
export function exportZone(view: ZoneView, metrics: Metrics, zones: readonly string[]): void {
  const collisions = metrics.gauge('dns_name_collisions', 'Names on which different apps or tasks meet.', [], 'max');
  const shortened = metrics.gauge('dns_names_shortened', 'Tasks whose names had to be cut or left out.', [], 'max');
  const serials = metrics.gauge('dns_zone_serial', 'Serial of the zone.', ['zone'], 'max');
  metrics.onRead(() => {
    const counts = view.findingCounts();
    collisions.cell().value = counts.collisions;
    shortened.cell().value = counts.shortened;
    for (const zone of zones) serials.cell(zone).value = view.serialOf(zone);
  });
}
