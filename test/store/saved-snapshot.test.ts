// The saved snapshot comes back as it was, or not at all: half a file, a changed byte and another format are told from a whole one.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { emptySnapshot, noMasters, reduce } from '../../src/cluster/index.ts';
import { createFileStore, loadSnapshot, saveSnapshot } from '../../src/store/index.ts';
import { sampleTask } from '../cluster/sample-task.ts';

t.test('round trip, and damage', async (t) => {
  const directory = t.testdir();
  const store = createFileStore(directory);
  t.equal(await loadSnapshot(store), null, 'none was saved');
  const snapshot = emptySnapshot();
  const tasks = Array.from({ length: 450 }, (_, i) => sampleTask(`t${i}`));
  reduce(snapshot, { type: 'resync', picture: { tasks, agents: [], frameworks: [], apps: [], masters: noMasters } });
  await saveSnapshot(store, snapshot, 1234);
  const saved = await loadSnapshot(store);
  t.equal(saved?.savedAt, 1234);
  t.same(saved?.picture.tasks, tasks);
  t.same(saved?.picture.masters, noMasters);

  const path = join(directory, 'snapshot/last');
  const whole = readFileSync(path);
  writeFileSync(path, whole.subarray(0, whole.length - 20));
  await t.rejects(loadSnapshot(store), /checksum/, 'cut');
  const changed = Buffer.from(whole);
  changed[whole.length - 40] = (whole[whole.length - 40] ?? 0) ^ 1;
  writeFileSync(path, changed);
  await t.rejects(loadSnapshot(store), /checksum/, 'changed');
  writeFileSync(path, '{"format":99}\n');
  await t.rejects(loadSnapshot(store), /format is 99/, 'of another program');
  for (const text of ['', 'not json\n']) {
    writeFileSync(path, text);
    await t.rejects(loadSnapshot(store), Error, 'no snapshot at all');
  }
  await saveSnapshot(store, snapshot, 1235);
  t.equal((await loadSnapshot(store))?.savedAt, 1235, 'replaced by the next');
});

t.test('what an earlier program wrote', async (t) => {
  const store = createFileStore(t.testdir());
  const tasks = [sampleTask('t1'), sampleTask('t2')];
  const lines = [['masters', noMasters], ...tasks.map((task) => ['task', task])];
  const texts = lines.map((line) => Buffer.from(`${JSON.stringify(line)}\n`));
  for (const format of [1, 2]) {
    const body = Buffer.concat(format === 1 ? texts : texts.map((text) => gzipSync(text)));
    const sha256 = createHash('sha256').update(body).digest('hex');
    const header = JSON.stringify({ format, savedAt: 7, sha256 });
    await store.write('snapshot/last', Buffer.concat([Buffer.from(`${header}\n`), body]));
    const saved = await loadSnapshot(store);
    t.equal(saved?.savedAt, 7);
    t.same(saved?.picture.tasks, tasks);
  }
});

t.test('thousands of tasks share what they have in common', async (t) => {
  const store = createFileStore(t.testdir());
  const snapshot = emptySnapshot();
  const tasks = Array.from({ length: 4500 }, (_, i) =>
    sampleTask(`t${i}`, { name: 'web', labels: { HAPROXY_GROUP: 'external' } }),
  );
  reduce(snapshot, { type: 'resync', picture: { tasks, agents: [], frameworks: [], apps: [], masters: noMasters } });
  await saveSnapshot(store, snapshot, 1);
  const saved = (await loadSnapshot(store))?.picture.tasks ?? [];
  t.same(saved, tasks);
  t.equal(saved[4499]?.labels, saved[0]?.labels, 'one object');
});

t.test('what killed writers left is swept at the start, what others are writing is not', async (t) => {
  const directory = t.testdir({ snapshot: {} });
  const file = (name: string): string => join(directory, 'snapshot', name);
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  const gone = ['last.tmp-0a1b2c3d4e5f', `last.tmp-${dead}-00000000-11111111`, `last.tmp-${process.pid}-00000000-1`];
  const hour = new Date(Date.now() - 3600_000);
  const stuck = `last.tmp-${process.ppid}-00000000-22222222`;
  const live = `last.tmp-${process.ppid}-00000000-33333333`;
  for (const name of [...gone, stuck, live, 'last']) writeFileSync(file(name), 'x');
  utimesSync(file(stuck), hour, hour);
  const store = createFileStore(directory);
  await store.write('snapshot/other', Buffer.from('y'));
  t.same(readdirSync(join(directory, 'snapshot')).sort(), ['last', live, 'other'].sort());
  t.same(await store.list(''), ['snapshot/last', 'snapshot/other']);
});
