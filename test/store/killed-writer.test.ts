// kill -9 of a writer at any moment leaves a store that loads: what was saved last, or what was saved before it.

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { seededRandom } from '../../src/runtime/index.ts';
import { createFileStore, loadSnapshot } from '../../src/store/index.ts';

t.setTimeout(180_000);

const writer = fileURLToPath(new URL('killed-writer.ts', import.meta.url));
const kills = 52;
const atOnce = 4;

t.test(`killed ${kills} times`, async (t) => {
  const random = seededRandom(9);
  const root = t.testdir();
  let next = 0;
  const worker = async (slot: number): Promise<void> => {
    const directory = join(root, `store${slot}`);
    while (next++ < kills) {
      const told = await killed(directory, 1 + Math.floor(random() * 3), random() * 8);
      const saved = await loadSnapshot(createFileStore(directory));
      t.equal(saved?.picture.tasks.length, 400, 'whole');
      t.ok((saved?.savedAt ?? 0) >= told, `what was told as saved is there: ${saved?.savedAt} of ${told}`);
    }
    t.same(await createFileStore(directory).list('snapshot/'), ['snapshot/last'], 'rests of the killed are no values');
    t.ok(readdirSync(join(directory, 'snapshot')).includes('last'));
  };
  await Promise.all(Array.from({ length: atOnce }, (_, slot) => worker(slot)));
});

/** Kills a writer a moment after it has told of so many saved snapshots; returns the number that it told last. */
async function killed(directory: string, after: number, momentMs: number): Promise<number> {
  const child = spawn(process.execPath, [writer, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  let told = 0;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    told = Number(line);
    if (told === after) setTimeout(() => child.kill('SIGKILL'), momentMs);
  }
  await exited;
  return told;
}
