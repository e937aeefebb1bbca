// Saves snapshots into the directory or etcd that it is told, there in parts of so many bytes, one after the other, until it is killed.

import { emptySnapshot, noMasters, reduce } from '../../src/cluster/index.ts';
import { systemClock } from '../../src/runtime/index.ts';
import { createEtcdClient, createEtcdStore, createFileStore, saveSnapshot } from '../../src/store/index.ts';
import { sampleTask } from '../cluster/sample-task.ts';

const [, , where = '', partBytes] = process.argv;
const clock = systemClock;
const store = where.startsWith('http')
  ? createEtcdStore({
      client: createEtcdClient({ endpoints: [where] }, clock),
      prefix: '/isthmus',
      clock,
      partBytes: Number(partBytes),
    })
  : createFileStore(where);
const snapshot = emptySnapshot();
const tasks = Array.from({ length: 400 }, (_, i) => sampleTask(`t${i}`));
reduce(snapshot, { type: 'resync', picture: { tasks, agents: [], frameworks: [], apps: [], masters: noMasters } });
for (let turn = 1; ; turn++) {
  await saveSnapshot(store, snapshot, turn);
  process.stdout.write(`${turn}\n`);
}
