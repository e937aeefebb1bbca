// What a process may have: read of itself, found again in readings of metrics, and held against what the configuration promises clients.

import { closeSync, openSync } from 'node:fs';
import t from 'tap';
import { parseConfig } from '../../src/daemon/config/index.ts';
import { describeShortage, limitsIn, readLimits, registerLimits } from '../../src/daemon/process-limits.ts';
import { createMetrics } from '../../src/runtime/index.ts';

t.test('of this process', async (t) => {
  const before = readLimits();
  t.ok(before.openFiles > 2 && before.openFiles < before.openFilesLimit);
  t.ok(before.memoryBytes > before.heapBytes && before.heapBytes < before.heapLimitBytes);
  t.ok(before.memoryLimitBytes >= 0 && Number.isSafeInteger(before.memoryLimitBytes), 'no limit is 0, not 2^64');
  const opened = Array.from({ length: 50 }, () => openSync('/dev/null', 'r'));
  t.ok(readLimits().openFiles >= before.openFiles + 45, 'more are open now');
  opened.forEach((fd) => closeSync(fd));
});

t.test('in readings', async (t) => {
  const [control, worker] = [createMetrics(), createMetrics()];
  registerLimits(control, 'control');
  registerLimits(worker, 'worker-1');
  const found = limitsIn([control.read(), worker.read()]);
  t.same([...found.keys()], ['control', 'worker-1']);
  t.equal(found.get('worker-1')?.openFilesLimit, readLimits().openFilesLimit);
});

t.test('against the configuration', async (t) => {
  const { config } = parseConfig(
    `cluster: [{ file: { path: x.json } }]
router: { http: ["127.0.0.1:0"], limits: { connections: 1000 } }
socks: { listen: ["127.0.0.1:0"], rules: [], limits: { connections: 500 } }
`,
    'isthmus.yaml',
  );
  if (config === null) throw new Error('the configuration has mistakes');
  t.equal(describeShortage(config, 4000), null);
  t.match(describeShortage(config, 3000), /3000 descriptors.*LimitNOFILE/);
});
