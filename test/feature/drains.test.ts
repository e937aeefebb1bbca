// SIGTERM under load: whoever got a connection gets an answer, whoever comes later is refused at once, and the daemon ends in peace.

import t from 'tap';
import { ask, startCluster, startDaemonOn, webApp } from './cluster.ts';

t.setTimeout(60_000);

for (const workers of [0, 2]) {
  t.test(`workers: ${workers}`, async (t) => {
    const test = await startCluster();
    t.teardown(() => test.close());
    await test.marathon.deploy(webApp());
    const daemon = await startDaemonOn(test, workers);
    const router = daemon.address('router.http');
    const failures: string[] = [];
    let answered = 0;
    const clients = Array.from({ length: 4 }, async () => {
      for (;;) {
        try {
          const { status } = await ask(router, 'shop.example');
          if (status === 200) answered++;
          else failures.push(String(status));
        } catch (error) {
          const { code, syscall } = error as { code?: string; syscall?: string };
          // A handshake that ends as the listener closes is reset by the kernel: refused, only later.
          if (code === 'ECONNREFUSED' || syscall === 'connect') return;
          failures.push(String(error));
        }
      }
    });
    while (answered < 40) await new Promise((resolve) => setTimeout(resolve, 10));
    t.equal(await daemon.stop('SIGTERM'), 0);
    await Promise.all(clients);
    t.same(failures, [], `none of ${answered} requests failed`);
  });
}
