// A restart while every master is down: DNS, VIPs and routes are served by what was saved, and its age is said.

import t from 'tap';
import { ask, eventually, resolve4, startCluster, vipRange, webApp } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(150_000);

t.test('every master and Marathon is down', async (t) => {
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp());
  const config = `
cluster:
  - mesos: { masters: ["${test.masters.url(0)}"] }
  - marathon: { urls: ["${test.marathon.url}"], name: marathon }
dns: { listen: ["127.0.0.1:0"], upstreams: ["127.0.0.1:9"] }
vips: { plane: user, range: "${vipRange(test)}", ipv6: false }
router: { http: ["127.0.0.1:0"] }
store: { dir: "${t.testdir()}" }
admin: { listen: "127.0.0.1:0" }
workers: 0
`;
  const first = await startDaemon(config);
  await eventually(
    'routes',
    20_000,
    () => first.get('/v1/routes'),
    (text) => text.includes('shop.example'),
  );
  const names = await eventually(
    'names',
    20_000,
    () => resolve4(first, 'web.shop.marathon.mesos'),
    (all) => all.length === 2,
  );
  const [routes, vips] = [await first.get('/v1/routes'), await first.get('/v1/vips')];
  t.equal(await first.stop(), 0);

  for (const index of [0, 1, 2]) await test.masters.kill(index);
  for (let index = 0; index < test.marathon.urls.length; index++) test.marathon.faults(index).page = 'html-502';
  const second = await startDaemon(config);
  t.teardown(() => second.stop());
  t.same(await resolve4(second, 'web.shop.marathon.mesos'), names);
  t.equal((await ask(second.address('router.http'), 'shop.example')).status, 200);
  t.equal(await second.get('/v1/vips'), vips);
  t.equal(await second.get('/v1/routes'), routes);
  const line = await second.line(({ msg }) => /saved snapshot until/.test(String(msg)));
  t.type(line['ageSeconds'], 'number', 'and how old it is');
});
