// The file source: every form by content, changes as they are written, and files that are absent, half-written or wrong.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createFileOrchestrator } from '../../src/orchestrator/index.ts';
import { readFilePicture } from '../../src/orchestrator/file-reader.ts';
import { systemClock } from '../../src/runtime/index.ts';
import { follow, surroundings, type Followed } from './harness.ts';
import { shape } from './mesos/fold.ts';

const parts = {
  tasks: [shape.task('F', 't1', 'S1')],
  agents: [shape.agent('S1', '10.0.0.1')],
  frameworks: [shape.framework('F', 'marathon')],
};
const getState = { type: 'GET_STATE', ...shape.state(parts) };
const subscribed = { type: 'SUBSCRIBED', subscribed: shape.state(parts) };
const added = shape.added(shape.task('F', 't2', 'S1'));
const v0 = {
  leader: 'master@10.0.0.11:5050',
  slaves: [{ id: 'S1', hostname: '10.0.0.1', pid: 'slave(1)@10.0.0.1:5051' }],
  frameworks: [
    {
      id: 'F',
      name: 'marathon',
      tasks: [{ id: 't1', name: 't1', framework_id: 'F', slave_id: 'S1', state: 'TASK_RUNNING' }],
    },
  ],
};
const apps = {
  apps: [
    {
      id: '/web',
      instances: 1,
      tasks: [{ id: 't1', appId: '/web', host: '10.0.0.1', ports: [80], state: 'TASK_RUNNING' }],
    },
  ],
};
const record = (event: unknown): string => {
  const text = JSON.stringify(event);
  return `${Buffer.byteLength(text)}\n${text}`;
};
const pretty = (document: unknown): string => JSON.stringify(document, null, 2);

async function read(text: string): ReturnType<typeof readFilePicture> {
  return readFilePicture(Buffer.from(text), { name: 'marathon', clock: systemClock, onSkipped: () => undefined });
}

for (const [what, text, ids] of [
  ['GET_STATE', JSON.stringify(getState), ['t1']],
  ['GET_STATE, pretty', pretty(getState), ['t1']],
  ['SUBSCRIBED', `${JSON.stringify(subscribed)}\n`, ['t1']],
  ['SUBSCRIBED with a byte order mark', `\ufeff${pretty(subscribed)}`, ['t1']],
  ['/state', pretty(v0), ['t1']],
  [
    'events after SUBSCRIBED',
    `${JSON.stringify(subscribed)}\n\n${JSON.stringify(added)}\n{"type":"HEARTBEAT"}`,
    ['t1', 't2'],
  ],
  ['events alone', `${JSON.stringify(added)}\r\n{"type":"HEARTBEAT"}\r\n`, ['t2']],
  ['one event', JSON.stringify(added), ['t2']],
  ['RecordIO', record(subscribed) + record({ type: 'HEARTBEAT' }) + record(added), ['t1', 't2']],
  ['Marathon', pretty(apps), ['t1']],
  ['an object over two lines', '{"get_state":{}\n}', []],
] as const) {
  t.test(`reads ${what}`, async (t) => {
    const reading = await read(text);
    t.equal(reading.kind, 'picture');
    if (reading.kind === 'picture') t.same(reading.picture.tasks.map((task) => task.id).sort(), ids);
  });
}

t.test('what /state and /v2/apps bring besides tasks', async (t) => {
  const state = await read(pretty(v0));
  t.match(state, {
    picture: { masters: { leader: { ip: '10.0.0.11', port: 5050 } }, agents: [{ ip: '10.0.0.1' }], apps: [] },
  });
  const marathon = await read(pretty(apps));
  t.match(marathon, {
    picture: {
      apps: [{ key: 'marathon/web' }],
      tasks: [{ appKey: 'marathon/web', agentIp: '10.0.0.1', hostPorts: [80] }],
    },
  });
});

for (const [what, text, reason] of [
  ['nothing', ' \n', /empty/],
  ['another document', '{"a":1}', /none of/],
  ['a list', '[1]', /none of/],
  ['half a document', pretty(getState).slice(0, -20), /line \d+/],
  ['a wrong element', pretty(v0).replace('"TASK_RUNNING"', 'TASK_RUNNING'), /line \d+: in frameworks\.tasks/],
  ['half a line', `${JSON.stringify(subscribed)}\n${JSON.stringify(added).slice(0, -5)}`, /line 2/],
  ['a line that is no event', `${JSON.stringify(subscribed)}\n{}\n`, /line 2: is no event/],
  ['half a record', record(subscribed) + record(added).slice(0, -3), /within record 2/],
  ['text', 'hello', /line 1/],
] as const) {
  t.test(`says what is wrong with ${what}`, async (t) => {
    t.match(await read(text), { kind: 'bad', reason });
  });
}

function scene(test: Test): { readonly path: string; readonly followed: Followed; readonly source: string } {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-file-'));
  const path = join(folder, 'cluster.json');
  const followed = follow(createFileOrchestrator({ path, lookMs: 50, ...surroundings() }));
  test.teardown(async () => {
    await followed.stop();
    rmSync(folder, { recursive: true });
  });
  return { path, followed, source: `file:${path}` };
}

t.test('a file that comes late, is replaced by renaming, breaks and is mended', async (t) => {
  const { path, followed, source } = scene(t);
  const reason = (): string => followed.snapshot.sources.get(source)?.reason ?? '';
  await followed.until('the loss', () => /not there/.test(reason()));
  writeFileSync(path, JSON.stringify(getState));
  await followed.until('the picture', () => followed.task('t1') !== undefined);
  writeFileSync(`${path}.new`, `${JSON.stringify(subscribed)}\n${JSON.stringify(added)}\n`);
  renameSync(`${path}.new`, path);
  await followed.until('the new task', () => followed.task('t2') !== undefined);
  writeFileSync(path, '{"half');
  await followed.until('the loss', () => /line 1/.test(reason()));
  t.ok(followed.task('t2'), 'what was read last stays');
  writeFileSync(path, JSON.stringify(getState));
  await followed.until('the end of the task', () => followed.task('t2') === undefined);
  t.equal(followed.snapshot.sources.get(source)?.state, 'live');
  t.equal(followed.events.filter((event) => event.type === 'resync').length, 1, 'changes are told as differences');
  rmSync(path);
  await followed.until('the loss', () => /not there/.test(reason()));
  t.ok(followed.task('t1'));
});
