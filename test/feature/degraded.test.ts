// What cannot be served is said by name and reason, and costs nothing else.

import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import t from 'tap';
import { ask, eventually, resolve4, startCluster, webApp } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(110_000);

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

t.test(
  'ports taken, files missing, sources that fail and a nonsense label: each is named, the rest serves',
  async (t) => {
    const test = await startCluster();
    t.teardown(() => test.close());
    await test.marathon.deploy(webApp({ labels: { HAPROXY_0_BACKEND_WEIGHT: 'heavy' } }));
    const taken = createTcpServer();
    const other = createTcpServer();
    const html = createServer((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<html>a portal</html>'),
    );
    const closed = createServer((_request, response) => {
      response.statusCode = 401;
      response.setHeader('www-authenticate', 'Basic realm="mesos-master-readwrite"').end();
    });
    const [takenPort, otherPort, htmlPort, closedPort] = await Promise.all([
      listening(taken),
      listening(other),
      listening(html),
      listening(closed),
    ]);
    t.teardown(() => [taken, other, html, closed].forEach((server) => server.close()));

    const daemon = await startDaemon(
      `
cluster:
  - marathon: { urls: ["${test.marathon.url}"], name: marathon }
  - marathon: { urls: ["http://127.0.0.1:${htmlPort}"], name: portal }
  - marathon: { urls: ["http://127.0.0.1:${closedPort}"], name: closed }
  - marathon: { urls: ["http://127.0.0.1:1"], name: nobody }
  - mesos: { masters: ["${test.masters.url(0)}"] }
  - file: { path: "{dir}/absent.json", name: absent }
dns: { listen: ["127.0.0.1:0"], http: "127.0.0.1:0", upstreams: ["127.0.0.1:9"] }
router: { http: ["127.0.0.1:0", "127.0.0.1:${takenPort}"], groups: ["*"] }
socks: { listen: ["127.0.0.1:${otherPort}"], rules: [] }
admin: { listen: "127.0.0.1:0" }
workers: 0
`,
    );
    t.teardown(() => daemon.stop());
    const degraded = daemon.ready.degraded.join('\n');
    t.match(degraded, new RegExp(`router.http: .*${takenPort}.*taken`), 'the taken port of the router');
    t.match(degraded, new RegExp(`socks: .*${otherPort}.*taken`), 'the taken port of SOCKS');
    t.match(degraded, /portal: .*(HTML|text\/html)/i, 'the portal that answers HTML');
    t.match(degraded, /closed: .*401/, 'the 401');
    t.match(degraded, /nobody: .*(ECONNREFUSED|refused)/i, 'the Marathon that is not there');
    t.match(degraded, /absent.*(ENOENT|no such file|not there|missing)/i, 'the missing file');
    t.match(degraded, /labels: .*\/shop\/web HAPROXY_0_BACKEND_WEIGHT=heavy: /, 'the label');

    t.match(
      await ask(daemon.address('router.http'), 'shop.example'),
      { status: 200 },
      'the app is routed all the same',
    );
    t.equal((await resolve4(daemon, 'web.shop.marathon.mesos')).length, 2, 'and named');
  },
);

t.test(
  'a daemon whose only master is unreachable forwards and says SERVFAIL for the cluster, then finds it',
  async (t) => {
    const test = await startCluster();
    t.teardown(() => test.close());
    await test.marathon.deploy(webApp());
    const port = Number(new URL(test.masters.url(0)).port);
    await test.masters.stop(0);
    const daemon = await startDaemon(
      `
cluster: [{ mesos: { masters: ["http://127.0.0.1:${port}"] } }]
dns: { listen: ["127.0.0.1:0"], http: "127.0.0.1:0", upstreams: ["127.0.0.1:9"] }
admin: { listen: "127.0.0.1:0" }
workers: 1
`,
      { args: ['--ready-timeout', '2s'] },
    );
    t.teardown(() => daemon.stop());
    t.match(daemon.ready.degraded.join('\n'), /mesos: .*(refused|ECONNREFUSED)/i);
    t.ok(
      daemon.ready.degraded.includes('no complete picture of the cluster yet'),
      'ready for want of time, and says so',
    );
    t.equal((await fetch(`http://${daemon.address('admin')}/ready`)).status, 503);
    await t.rejects(resolve4(daemon, 'web.shop.marathon.mesos'), { code: 'ESERVFAIL' });
    await test.masters.start(0);
    test.masters.lead(0);
    await eventually(
      'DNS',
      40_000,
      () => resolve4(daemon, 'web.shop.marathon.mesos').catch(() => []),
      (found) => found.length === 2,
    );
    t.equal((await fetch(`http://${daemon.address('admin')}/ready`)).status, 200);
  },
);

t.test('nothing to serve and no cluster: the daemon gives up with a reason', async (t) => {
  await t.rejects(
    startDaemon(
      'cluster: [{ mesos: { masters: ["http://127.0.0.1:1"] } }]\nadmin: { listen: "127.0.0.1:0" }\nworkers: 0\n',
      {
        args: ['--ready-timeout', '1s'],
      },
    ),
    /giving up/,
  );
});
