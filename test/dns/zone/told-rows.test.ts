// What the zone view tells of its rows: the sum of their hashes, what a failure left untold, and nothing where no name changed.

import t from 'tap';
import { joinDeltas, reduce, taskId } from '../../../src/cluster/index.ts';
import { hashRow } from '../../../src/runtime/index.ts';
import { dropTask, liveZone, putTask, sampleTask } from '../samples.ts';

t.test('what a failure kept from being told is told by the next building', async (t) => {
  const zone = liveZone({}, putTask(sampleTask({ id: taskId('a') })));
  const sum = (): number => [...zone.view.table].reduce((all, [name, text]) => (all + hashRow(name, text)) >>> 0, 0);
  t.equal(zone.view.rowSum?.(), sum());
  const before = new Map(zone.view.table);
  const broken = Object.defineProperty({ ...sampleTask({ id: taskId('b'), name: 'b' }) }, 'hostPorts', {
    get: () => {
      throw new Error('no');
    },
  });
  const added = sampleTask({ id: taskId('c'), name: 'c' });
  const delta = joinDeltas(reduce(zone.snapshot, putTask(added)), reduce(zone.snapshot, putTask(broken)));
  t.throws(() => zone.view.derive(delta, zone.snapshot));
  reduce(zone.snapshot, dropTask(broken));
  for (const [name, text] of zone.view.rebuild(zone.snapshot).set) before.set(name, text);
  t.same([...before].sort(), [...zone.view.table].sort());
  t.ok(before.has('c.marathon.mesos.'));
  t.equal(zone.view.rowSum?.(), sum());
});

t.test('a task that only its health changes costs no name anything', async (t) => {
  const zone = liveZone({}, putTask(sampleTask()));
  const touched = zone.view.touchedNames;
  zone.feed(putTask(sampleTask({ healthy: false, appHealth: 'failing', ready: false })));
  t.equal(zone.view.touchedNames, touched);
});
