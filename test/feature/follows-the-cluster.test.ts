// What happens in the cluster is answered by DNS, VIPs and routes within a second, and no request fails over it.

import t from 'tap';
import { ask, askForever, eventually, resolve4, startCluster, startDaemonOn, webApp } from './cluster.ts';
import type { RunningDaemon } from './daemon.ts';

t.setTimeout(110_000);

const name = 'web.shop.marathon.mesos';
const second = 1_000;

interface VipRow {
  readonly name: string;
  readonly ips: readonly string[];
  readonly port: number;
  readonly set: { readonly backends: readonly { readonly ip: string; readonly state: string }[] };
}

async function vipOf(daemon: RunningDaemon, vip: string): Promise<VipRow | undefined> {
  return (await daemon.json<VipRow[]>('/v1/vips')).find((row) => row.name === vip);
}

for (const workers of [0, 1, 2]) {
  t.test(`with workers: ${workers}`, async (t) => {
    const test = await startCluster();
    t.teardown(() => test.close());
    await test.marathon.deploy(webApp());
    await test.contract.deploy(webApp({ id: '/contract/was', host: 'contract.example', vip: '/contract-was:8080' }));
    const daemon = await startDaemonOn(test, workers);
    t.teardown(() => daemon.stop());
    t.same(daemon.ready.degraded, []);
    const router = daemon.address('router.http');
    const vip = await vipOf(daemon, 'shop-web.marathon');
    const vipAddress = `${vip?.ips[0] ?? ''}:${vip?.port ?? 0}`;

    t.equal((await resolve4(daemon, name)).length, 2);
    t.match(await ask(router, 'shop.example'), { status: 200, body: /^app web\.shop$/m });
    t.match(await ask(router, 'contract.example'), { status: 200, body: /^app was\.contract$/m });
    t.match(await ask(vipAddress, 'any'), { status: 200, body: /^app web\.shop$/m });
    t.same(await resolve4(daemon, 'shop-web.marathon.l4lb.thisdcos.directory'), vip?.ips);
    t.same((await ask(router, 'unknown.example')).status, 503);

    const routed = askForever(() => ask(router, 'shop.example'));
    const balanced = askForever(() => ask(vipAddress, 'any'));

    await t.test('scaling an app', async (t) => {
      await test.marathon.scale('/shop/web', 3);
      await eventually(
        'DNS',
        second,
        () => resolve4(daemon, name),
        (found) => found.length === 3,
      );
      await eventually(
        'VIP',
        second,
        () => vipOf(daemon, 'shop-web.marathon'),
        (row) => row?.set.backends.length === 3,
      );
      await test.marathon.scale('/shop/web', 2);
      await eventually(
        'DNS',
        second,
        () => resolve4(daemon, name),
        (found) => found.length === 2,
      );
      t.pass('up and down');
    });

    await t.test('killing a back end that has a neighbour', async (t) => {
      const [victim] = test.cluster.tasks().filter((task) => task.name === 'web.shop' && task.state === 'TASK_RUNNING');
      const { host: gone } = test.cluster.address(victim?.task_id.value ?? '');
      const names = (): Promise<readonly string[]> => resolve4(daemon, name);
      const balancedTo = async (): Promise<readonly string[]> =>
        (await vipOf(daemon, 'shop-web.marathon'))?.set.backends.map((backend) => backend.ip) ?? [];
      const routes = (): Promise<string> => daemon.get('/v1/routes');
      t.ok((await names()).includes(gone) && (await balancedTo()).includes(gone), 'it is there before');
      t.match(await routes(), `${gone}:`);
      test.cluster.crash(victim?.task_id.value ?? '');
      await Promise.all([
        eventually('DNS', second, names, (found) => !found.includes(gone)),
        eventually('VIP', second, balancedTo, (found) => !found.includes(gone)),
        eventually('route', second, routes, (text) => !text.includes(`${gone}:`)),
      ]);
      const two = (found: readonly string[]): boolean => found.length === 2;
      await Promise.all([eventually('DNS', 5 * second, names, two), eventually('VIP', 5 * second, balancedTo, two)]);
      t.pass('it went everywhere, and its replacement came');
    });

    await t.test('changing a label', async (t) => {
      await test.marathon.deploy(webApp({ host: 'shop.example,new.example' }));
      await eventually(
        'route',
        second,
        () => ask(router, 'new.example').catch(() => ({ status: 0, body: '' })),
        (answer) => answer.status === 200,
      );
      t.pass('the new host answers');
    });

    await t.test('losing the leading master', async (t) => {
      await test.masters.kill(0);
      test.masters.lead(1);
      await test.marathon.scale('/shop/web', 3);
      await eventually(
        'DNS',
        3 * second,
        () => resolve4(daemon, name),
        (found) => found.length === 3,
      );
      await eventually(
        'leader',
        3 * second,
        () => daemon.json<{ masters: { leader: { port: number } | null } }>('/v1/status'),
        (status) => {
          return status.masters.leader?.port === Number(new URL(test.masters.url(1)).port);
        },
      );
      t.pass('the next leader is followed');
    });

    t.ok(
      routed.count() > 20 && balanced.count() > 20,
      `${routed.count()} and ${balanced.count()} requests ran meanwhile`,
    );
    t.same(await routed.stop(), [], 'not one failed through the router');
    // A tunnel cannot repeat what the killed back end had read already: the request that it held is lost with it.
    const lost = await balanced.stop();
    t.ok(
      lost.length <= 1 && lost.every((failure) => /ECONNRESET|socket hang up/.test(failure)),
      `through the VIP at most one: ${lost.join()}`,
    );
  });
}
