// What the supervisor asks of the kernel for listeners that come and go, and what it says where it may not.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { migrateRequests } from '../../src/daemon/migrate-requests.ts';
import { silentLogger, type Logger } from '../../src/runtime/index.ts';

function listening(): { readonly lines: string[]; readonly log: Logger } {
  const lines: string[] = [];
  return {
    lines,
    log: { ...silentLogger, info: (fields, said) => void lines.push(`${said} ${JSON.stringify(fields)}`) },
  };
}

t.test('set where it is off, left alone where it is on', async (t) => {
  const file = join(t.testdir(), 'tcp_migrate_req');
  writeFileSync(file, '0\n');
  const { lines, log } = listening();
  migrateRequests(log, file);
  t.equal(readFileSync(file, 'latin1').trim(), '1');
  t.equal(lines.length, 1);
  migrateRequests(log, file);
  t.equal(lines.length, 1, 'said once');
});

t.test('what cannot be set is said, with a remedy', async (t) => {
  const { lines, log } = listening();
  migrateRequests(log, join(t.testdir(), 'no-such-setting'));
  t.match(lines.join(), /cannot be set.*Linux 5\.14/);
});
