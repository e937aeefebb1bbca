// The shared recordings, where they are there: snapshot, events and `/state` of one invented cluster give exactly the expected views.

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { tasksJson } from '../../src/cluster/index.ts';
import { createReplay, startFakeMasters } from '../../src/fakes/index.ts';
import { createFileOrchestrator, createMesosOrchestrator, mergeOrchestrators } from '../../src/orchestrator/index.ts';
import { follow, surroundings, type Followed } from './harness.ts';
import { createFold, pictureOf } from './mesos/fold.ts';

const folder = resolve(import.meta.dirname, '../../../shared/fixtures/orchestrator');
const skip = existsSync(folder) ? false : 'needs ../shared/fixtures';
const path = (name: string): string => join(folder, name);
const bytes = (name: string): Buffer => readFileSync(path(name));
const json = (name: string): unknown => JSON.parse(bytes(name).toString()) as unknown;
const shown = (followed: Followed): unknown => JSON.parse(JSON.stringify(tasksJson(followed.snapshot.tasks.values())));

t.test('snapshot and events by the state alone', { skip }, async (t) => {
  for (const size of [1, 777, 1e6]) {
    const fold = createFold();
    await fold.load(bytes('mesos-subscribed.json'));
    t.equal(pictureOf(bytes('mesos-subscribed.json'), size).tasks.size, 16);
    const view = (): unknown => JSON.parse(JSON.stringify(tasksJson(fold.state.tables.tasks.values())));
    t.strictSame(view(), json('expected-snapshot.json'));
    for (const line of bytes('mesos-events.jsonl').toString().split('\n'))
      if (line !== '') fold.state.apply(JSON.parse(line), 0);
    t.strictSame(view(), json('expected-after-events.json'));
    t.same(fold.skipped, []);
  }
});

t.test('the recording by a master', { skip }, async (t) => {
  const replay = createReplay({ file: path('mesos-stream.recordio') });
  const masters = await startFakeMasters(replay, {});
  const followed = follow(createMesosOrchestrator({ masters: masters.urls, ...surroundings() }));
  t.teardown(async () => {
    await followed.stop();
    await masters.close();
  });
  await followed.until('the snapshot', (snapshot) => snapshot.synced);
  t.strictSame(shown(followed), json('expected-snapshot.json'));
  replay.all();
  const expected = json('expected-after-events.json');
  await followed.until('the end', () => JSON.stringify(shown(followed)) === JSON.stringify(expected));
  t.strictSame(shown(followed), expected);
});

for (const [file, expected] of [
  ['mesos-state-v0.json', 'expected-snapshot.json'],
  ['mesos-subscribed.json', 'expected-snapshot.json'],
  ['mesos-stream.recordio', 'expected-after-events.json'],
] as const) {
  t.test(`${file} as a file`, { skip }, async (t) => {
    const followed = follow(createFileOrchestrator({ path: path(file), ...surroundings() }));
    t.teardown(() => followed.stop());
    await followed.until('the picture', (snapshot) => snapshot.synced);
    t.strictSame(shown(followed), json(expected));
  });
}

t.test('both Marathons joined to Mesos by the name of their framework', { skip }, async (t) => {
  const file = (name: string, marathon: string) =>
    createFileOrchestrator({ path: path(name), name: marathon, ...surroundings() });
  const sources = [
    file('mesos-state-v0.json', 'marathon'),
    file('marathon-apps.json', 'marathon'),
    file('marathon-contract-apps.json', 'marathon-contract'),
  ];
  const followed = follow(mergeOrchestrators(sources));
  t.teardown(() => followed.stop());
  await followed.until('the picture', (snapshot) => snapshot.synced);
  t.strictSame(shown(followed), json('expected-snapshot.json'), 'Marathon adds no task and moves none');
  const { apps, tasks, tasksOfApp } = followed.snapshot;
  t.same([...apps.keys()].sort(), [
    'marathon-contract/e-contract/batch',
    'marathon-contract/e-contract/was',
    'marathon/edge/lb',
    'marathon/groupware/nginx',
    'marathon/groupware/tomcat',
    'marathon/homepage/db',
    'marathon/homepage/web',
    'marathon/marathon-contract',
  ]);
  const byId = (part: string) => [...tasks.values()].find((task) => task.id.includes(part));
  t.match(byId('9030bea3'), {
    appKey: 'marathon/groupware/nginx',
    appHealth: 'alive',
    hostPorts: [21080, 21081],
    ready: null,
  });
  t.match(byId('a7b764ba'), { appHealth: 'failing', healthy: false });
  t.match(byId('1d192ede'), { appHealth: null, ready: false, appVersion: '2024-09-03T00:58:00.000Z' });
  t.match(byId('02abf856'), { ready: null, state: 'TASK_KILLING' });
  t.equal(
    [...tasksOfApp.values()].reduce((sum, set) => sum + set.size, 0),
    11 + 1,
  );
  t.match([...apps.values()].find((app) => app.id === '/groupware/nginx')?.ports, [
    { index: 0, servicePort: 10090, containerPort: 80, hostPortIndex: 0 },
    { index: 1, servicePort: 10091, containerPort: 8081, hostPortIndex: 1 },
  ]);
  t.match([...apps.values()].find((app) => app.id === '/edge/lb')?.ports[3], {
    protocol: 'tcp,udp',
    servicePort: 9091,
    containerPort: null,
  });
});
