// A silent process is told from one that only waits for a processor.

import { spawn } from 'node:child_process';
import t from 'tap';
import { readActivity, Silence, type Activity } from '../../src/daemon/silence.ts';

t.test('who hangs, and who waits', async (t) => {
  let activity: Activity | null = { isStopped: false, cpuMs: 500 };
  const silence = new Silence(0, () => activity);
  const at = (now: number): boolean => silence.isHang(1, now, 1_000);
  t.notOk(at(400), 'it is early');
  t.notOk(at(600), 'it begins to be late');
  t.notOk(at(1_100), 'no processor for it: it is waited for');
  activity = { isStopped: false, cpuMs: 760 };
  t.ok(at(1_200), 'it computed for a quarter of the patience without a word');
  silence.heard(1_300);
  t.notOk(at(1_900));
  activity = { isStopped: true, cpuMs: 760 };
  t.notOk(at(2_200), 'stopped, and the patience is not over');
  t.ok(at(2_400), 'stopped');
  activity = { isStopped: false, cpuMs: 760 };
  t.notOk(at(11_200));
  t.ok(at(11_400), 'ten times the patience is too much in any case');
  activity = null;
  silence.heard(20_000);
  t.notOk(at(20_900));
  t.ok(at(21_100), 'where nothing can be known');
});

t.test('what /proc says of a process', { skip: process.platform === 'linux' ? false : 'needs /proc' }, async (t) => {
  const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  const pid = child.pid ?? 0;
  const until = async (accept: (seen: Activity | null) => boolean): Promise<Activity | null> => {
    for (let tries = 0; tries < 400; tries++) {
      const seen = readActivity(pid);
      if (accept(seen)) return seen;
      await new Promise((wake) => setTimeout(wake, 50));
    }
    return null;
  };
  t.match(await until((seen) => (seen?.cpuMs ?? 0) >= 100), { isStopped: false });
  child.kill('SIGSTOP');
  t.match(await until((seen) => seen?.isStopped === true), { isStopped: true });
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  t.equal(readActivity(pid), null);
});
