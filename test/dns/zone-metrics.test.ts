// What metrics tell of the zone's names.

import t from 'tap';
import { taskId } from '../../src/cluster/index.ts';
import { exportZone } from '../../dns/index.ts';
import { createMetrics } from '../../src/runtime/index.ts';
import { liveZone, putTask, sampleTask } from './samples.ts';

t.test('collisions, cut names and the serial', async (t) => {
  const zone = liveZone({ now: () => 1_800_000_000_000 });
  const metrics = createMetrics();
  exportZone(zone.view, metrics, ['mesos.']);
  const read = (name: string): number =>
    metrics.read().find((metric) => metric.name === `isthmus_dns_${name}`)?.values[0]?.value ?? -1;
  t.equal(read('name_collisions'), 0);
  t.equal(read('zone_serial'), 1_800_000_000);
  zone.feed(putTask(sampleTask({ id: taskId('a'), discoveryName: 'a.b-c' })));
  zone.feed(putTask(sampleTask({ id: taskId('b'), discoveryName: 'a-b.c' })));
  zone.feed(putTask(sampleTask({ id: taskId('c'), discoveryName: 'x'.repeat(63) })));
  t.ok(read('name_collisions') >= 1);
  t.equal(read('names_shortened'), 1);
  t.equal(read('zone_serial'), 1_800_000_003);
});
