// The configuration changes under proxies that carry tunnels: rules, users and targets are other ones at once, in the processes that run, and
// no tunnel ends by it. `npm run bench -- proxies reload` does the same with 2,000 tunnels and 100 reloads.

import t, { type Test } from 'tap';
import { reloadUnderLoad } from './reload-scene.ts';

t.setTimeout(240_000);

async function exercise(t: Test, workers: number, tunnels: number, reloads: number): Promise<void> {
  const result = await reloadUnderLoad({ workers, tunnels, reloads });
  t.same(result.after, result.before, 'the same processes');
  t.equal(result.active, tunnels, 'what is gone is none of these');
  t.ok(result.descriptorsAfter <= result.descriptorsBefore, 'no descriptor is left behind');
}

t.test('in one process', { skip: process.platform !== 'linux' && 'looks into /proc' }, (t) => exercise(t, 0, 20, 3));
t.test('in workers', { skip: process.platform !== 'linux' && 'looks into /proc' }, (t) => exercise(t, 2, 200, 10));
