// Serials over restarts: a zone that changes faster than the clock goes on above what it had, and nothing is written for one that does not.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createZoneView } from '../../dns/index.ts';
import { emptySnapshot, taskId } from '../../src/cluster/index.ts';
import { keepSerials } from '../../src/daemon/dns-serials.ts';
import { silentLogger } from '../../src/runtime/index.ts';
import { putTask, sampleTask, snapshotOf } from '../dns/samples.ts';

const now = (): number => 1_800_000_000_000;

t.test('a restart goes on above what the zone had', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-serials-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const start = (): ReturnType<typeof createZoneView> =>
    createZoneView({ now, kept: keepSerials(directory, now, silentLogger) });
  const first = start();
  first.rebuild(emptySnapshot());
  t.equal(first.serialOf('mesos.'), 1_800_000_000, 'the time');
  t.notOk(existsSync(join(directory, 'dns')), 'which needs no keeping');
  for (let i = 0; i < 50; i++) first.rebuild(snapshotOf(putTask(sampleTask({ id: taskId(`t${i}`) }))));
  const before = first.serialOf('mesos.');
  t.equal(before, 1_800_000_050, 'fifty changes within a second');
  for (let restarts = 0, last = before; restarts < 3; restarts++) {
    const next = start();
    next.rebuild(emptySnapshot());
    t.ok(next.serialOf('mesos.') > last, `${next.serialOf('mesos.')} is above ${last}`);
    last = next.serialOf('mesos.');
  }
});

t.test('what cannot be read or written costs no answer', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-serials-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'file');
  writeFileSync(file, '{"mesos."');
  for (const place of [file, null]) {
    const kept = keepSerials(place, now, silentLogger);
    kept.note('mesos.', 1_900_000_000);
    t.type(kept.floor('mesos.'), 'number');
  }
});
