// 400 tunnels that work, half of them by CONNECT and half by a forward, while rules, users and targets change 20 times: none is lost,
// and none is left behind.

import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { hashPassword } from '../../../proxies/access/index.ts';
import { createEgressFunction } from '../../../proxies/egress/index.ts';
import { createForwardsFunction } from '../../../proxies/forwards/index.ts';
import { bindTcp } from '../../../src/runtime/index.ts';
import { until } from '../socks/scene.ts';
import { basics, counted, loopbackCluster, serveEcho, talk, type Talk } from '../access/scene.ts';

t.setTimeout(90_000);

const half = 200;
const reloads = 20;
const local = ['127.0.0.0/8'];

const descriptors = (): number => readdirSync('/proc/self/fd').length;

t.test('tunnels outlive what made them', async (t) => {
  const echoes = await Promise.all([serveEcho(), serveEcho()]);
  const ports = echoes.map(({ port }) => port);
  const users = join(t.testdir({}), 'users.yaml');
  const line = `batch: "${await hashPassword('s3cret')}"\n`;
  await writeFile(users, line);
  const base = basics({ 'echo.own': ['127.0.0.1'] });
  const rules = (i: number) => [{ allow: { users: ['batch'], to: ['cluster'], ports: [ports[i % 2] ?? 0] } }];
  const egress = createEgressFunction({ ...base, rules: rules(0), users, owners: loopbackCluster });
  const listener = bindTcp('127.0.0.1', 0);
  const forward = (i: number) => ({ listen: 'here', to: `127.0.0.1:${ports[i % 2]}`, from: local });
  const forwards = createForwardsFunction({
    ...base,
    forwards: [{ ...forward(0), listener }],
    placesOf: () => ({ rejected: '' }),
  });
  await egress.start();
  await forwards.start();
  const before = descriptors();

  const proxy = base.listeners[0]?.port ?? 0;
  const credentials = `Proxy-Authorization: Basic ${btoa('batch:s3cret')}`;
  const connect = async (port: number): Promise<Talk> => {
    const client = await talk(proxy);
    client.write(`CONNECT echo.own:${port} HTTP/1.1\r\nHost: x\r\n${credentials}\r\n\r\n`);
    const head = (await client.read(39)).toString();
    if (head.startsWith('HTTP/1.1 200 ')) return client;
    client.socket.destroy();
    throw new Error(head);
  };
  const tunnels: Talk[] = [];
  for (let at = 0; at < half; at += 50) {
    const some = Array.from({ length: 50 }, () => [connect(ports[0] ?? 0), talk(listener.port)]).flat();
    tunnels.push(...(await Promise.all(some)));
  }
  const exchange = async (client: Talk, text: string): Promise<void> => {
    client.write(text);
    const back = (await client.read(text.length)).toString();
    if (back !== text) throw new Error(`${back} instead of ${text}`);
  };
  await Promise.all(tunnels.map((client, i) => exchange(client, `begin ${i}`)));
  t.equal(counted(base.metrics, 'egress_sessions_active', {}), half);
  t.equal(counted(base.metrics, 'forwards_sessions_active', {}), half);

  for (let i = 1; i <= reloads; i++) {
    egress.reconfigure({ users, rules: rules(i) });
    forwards.reconfigure([forward(i)]);
    await writeFile(users, `# ${i}\n${line}`);
    const some = tunnels.filter((_, at) => at % reloads === i - 1);
    await Promise.all(some.map((client, at) => exchange(client, `reload ${i} ${at}`)));
    const [fresh, direct] = await Promise.all([connect(ports[i % 2] ?? 0), talk(listener.port)]);
    await Promise.all([exchange(fresh, `new ${i}`), exchange(direct, `new ${i}`)]);
    await t.rejects(connect(ports[(i + 1) % 2] ?? 0), /403/, 'rules are those of now');
    for (const client of [fresh, direct]) client.end();
    await Promise.all([fresh.rest(), direct.rest()]);
  }
  await Promise.all(tunnels.map((client, i) => exchange(client, `end ${i}`)));
  for (const client of tunnels) client.end();
  await Promise.all(tunnels.map((client) => client.rest()));
  await until(
    () =>
      counted(base.metrics, 'egress_sessions_active', {}) + counted(base.metrics, 'forwards_sessions_active', {}) === 0,
  );
  t.equal(counted(base.metrics, 'egress_sessions_active', {}), 0);
  t.equal(counted(base.metrics, 'forwards_sessions_active', {}), 0);
  t.equal(counted(base.metrics, 'egress_sessions_total', { verdict: 'allow', reason: 'finished' }), half + reloads);
  t.equal(counted(base.metrics, 'forwards_sessions_total', { verdict: 'allow', reason: 'finished' }), half + reloads);
  await Promise.all([egress.stop(), forwards.stop(), ...echoes.map((echo) => echo.close())]);
  // Listeners went too; what is left over is none of a tunnel's.
  await until(() => descriptors() <= before);
  t.ok(descriptors() <= before, `${descriptors()} descriptors, ${before} before`);
});
