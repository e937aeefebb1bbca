// Service ports through a whole daemon: a port that was taken is opened once it is free and told then, and as long as its app exists
// nobody is refused, whether it has tasks or not.

import t from 'tap';
import { once } from 'node:events';
import { request } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { eventually, startCluster, webApp } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(60_000);

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
}

/** Status 0: the connection was refused. */
function ask(address: string): Promise<Answer> {
  const [hostname, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const call = request({ hostname, port, agent: false, headers: { host: 'shop.example' }, timeout: 5_000 });
    call.on('response', (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode ?? 0, retryAfter: answer.headers['retry-after'] });
    });
    call.on('timeout', () => call.destroy(new Error(`${address} did not answer`)));
    call.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNREFUSED' ? resolve({ status: 0, retryAfter: undefined }) : reject(error),
    );
    call.end();
  });
}

async function takePort(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

for (const workers of [2]) {
  t.test(`workers: ${workers}`, async (t) => {
    const test = await startCluster();
    t.teardown(() => test.close());
    const { server, port } = await takePort();
    await test.marathon.deploy(webApp({ labels: { HAPROXY_0_PORT: String(port) } }));
    const daemon = await startDaemon(`
cluster:
  - mesos: { masters: [${test.masters.urls.map((url) => `"${url}"`).join(', ')}] }
  - marathon: { urls: ["${test.marathon.url}"], name: marathon }
router: { http: ["127.0.0.1:0"], groups: [external], servicePorts: "127.0.0.1" }
admin: { listen: "127.0.0.1:0", token: test-token }
workers: ${workers}
`);
    t.teardown(() => daemon.stop());
    const service = `127.0.0.1:${port}`;
    const vhost = daemon.address('router.http');
    await eventually(
      'the app',
      10_000,
      () => ask(vhost),
      ({ status }) => status === 200,
    );
    t.match((await daemon.json<{ degraded: readonly string[] }>('/v1/status')).degraded.join('\n'), `port ${port}`);
    server.close();
    const found = await daemon.until<Record<string, unknown>>(
      '/v1/listeners',
      (seen) => port in Object(seen['router.service']),
    );
    t.same(found['router.service'], { [port]: service }, 'told once it is open');
    t.equal((await ask(service)).status, 200);

    const deploy = (instances: number): Promise<unknown> =>
      test.marathon.deploy(webApp({ instances, labels: { HAPROXY_0_PORT: String(port) } }));
    await deploy(0);
    for (const address of [vhost, service]) {
      const { status, retryAfter } = await eventually(
        'no task',
        10_000,
        () => ask(address),
        (seen) => seen.status !== 200,
      );
      t.equal(status, 503, address);
      t.match(retryAfter, /^\d+$/);
    }
    await deploy(1);
    for (const address of [vhost, service])
      t.equal(
        (
          await eventually(
            'a task',
            10_000,
            () => ask(address),
            (seen) => seen.status === 200,
          )
        ).status,
        200,
        address,
      );
  });
}
