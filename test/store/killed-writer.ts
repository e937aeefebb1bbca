// Saves snapshots into the directory that it is told, one after the other, until it is killed.

import { emptySnapshot, noMasters, reduce } from '../../src/cluster/index.ts';
import { createFileStore, saveSnapshot } from '../../src/store/index.ts';
import { sampleTask } from '../cluster/sample-task.ts';

const store = createFileStore(process.argv[2] ?? '');
const snapshot = emptySnapshot();
const tasks = Array.from({ length: 400 }, (_, i) => sampleTask(`t${i}`));
reduce(snapshot, { type: 'resync', picture: { tasks, agents: [], frameworks: [], apps: [], masters: noMasters } });
for (let turn = 1; ; turn++) {
  await saveSnapshot(store, snapshot, turn);
  process.stdout.write(`${turn}\n`);
}
