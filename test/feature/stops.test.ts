// A stop is seen before it happens: `/ready` says no while requests under way end. And the admin API reloads for whoever has the token.

import t from 'tap';
import { ask, eventually, startCluster, startDaemonOn, webApp } from './cluster.ts';

t.setTimeout(110_000);

interface Ready {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

for (const workers of [0, 2]) {
  t.test(`workers: ${workers}`, async (t) => {
    const test = await startCluster();
    t.teardown(() => test.close());
    await test.marathon.deploy(webApp());
    const daemon = await startDaemonOn(test, workers);
    t.teardown(() => daemon.child.kill('SIGKILL'));
    const reload = (token: string): Promise<Response> =>
      fetch(`http://${daemon.address('admin')}/v1/reload`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, connection: 'close' },
      });
    t.equal((await reload('wrong')).status, 401);
    t.equal((await reload('test-token')).status, 202);
    await eventually(
      'generation',
      20_000,
      () => daemon.json<{ generation: number; ready: boolean }>('/v1/status').catch(() => null),
      (status) => status?.generation === 2 && status.ready,
    );

    const slow = ask(daemon.address('router.http'), 'shop.example', '/slow?ms=2500');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const exited = new Promise<number | null>((resolve) => daemon.child.once('exit', (code) => resolve(code)));
    daemon.child.kill('SIGTERM');
    const ready = await eventually(
      'ready',
      2_000,
      () => daemon.json<Ready>('/ready'),
      (answer) => !answer.ready,
    );
    t.same(ready.reasons, ['draining']);
    t.equal((await slow).status, 200, 'the request under way ends');
    t.equal(await exited, 0);
  });
}
