// A blue/green deployment as zdd.py makes one: it reads pids and statistics of port 9090 after each step and ends the tasks that are drained,
// while clients are served without a failure (specs/l7.md §1.13).

import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, eventually } from './cluster.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';

interface Colour {
  readonly name: 'green' | 'blue';
  readonly ports: readonly number[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** A server that answers with its colour. */
async function openServer(t: Test, colour: string): Promise<number> {
  const server = createServer((_request, response) => response.end(colour)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** As zdd labels the two apps of a group. */
const appOf = ({ name, ports, labels }: Colour): object => ({
  id: `/shop-${name}`,
  instances: ports.length,
  networks: [{ mode: 'host' }],
  portDefinitions: [{ port: name === 'green' ? 10_000 : 10_001, protocol: 'tcp' }],
  labels: {
    HAPROXY_GROUP: 'external',
    HAPROXY_0_VHOST: 'shop.example',
    HAPROXY_0_PORT: '10000',
    HAPROXY_DEPLOYMENT_GROUP: 'shop',
    HAPROXY_DEPLOYMENT_ALT_PORT: '10001',
    HAPROXY_DEPLOYMENT_COLOUR: name,
    HAPROXY_DEPLOYMENT_TARGET_INSTANCES: '2',
    HAPROXY_DEPLOYMENT_STARTED_AT: name === 'green' ? '2026-11-20T10:00:00.000001' : '2026-11-21T10:00:00.000001',
    ...labels,
  },
  tasks: ports.map((port) => ({
    id: `shop-${name}.${port}`,
    appId: `/shop-${name}`,
    host: '127.0.0.1',
    ports: [port],
    state: 'TASK_RUNNING',
  })),
});

/** Rows of the group's servers, as zdd picks them out of the statistics. */
async function serversOf(daemon: RunningDaemon): Promise<readonly Readonly<Record<string, string>>[]> {
  const { body } = await ask(daemon.address('router.haproxyEndpoints'), 'shop.example', '/haproxy?stats;csv');
  const [head = '', ...lines] = body.trimEnd().split('\n');
  const columns = head.replace(/^# /, '').split(',');
  const rows = lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [columns[i] ?? '', cell])));
  return rows.filter(({ pxname, svname }) => pxname === 'shop_10000' && svname !== 'FRONTEND' && svname !== 'BACKEND');
}

t.test('zdd replaces green by blue without a failure', async (t) => {
  const [g1, g2] = [await openServer(t, 'green'), await openServer(t, 'green')] as const;
  const [b1, b2] = [await openServer(t, 'blue'), await openServer(t, 'blue')] as const;
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-zdd-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'apps.json');
  const deploy = (...colours: readonly Colour[]): void => {
    writeFileSync(`${file}.new`, JSON.stringify({ apps: colours.map(appOf) }));
    renameSync(`${file}.new`, file);
  };
  const green = (...ports: readonly number[]): Colour => ({ name: 'green', ports });
  const blue = (...ports: readonly number[]): Colour => ({
    name: 'blue',
    ports,
    labels: { HAPROXY_DEPLOYMENT_NEW_INSTANCES: '0' },
  });
  deploy(green(g1, g2));
  const daemon = await startDaemon(`
cluster: [{ file: { path: "${file}", name: marathon } }]
router: { http: ["127.0.0.1:0"], groups: [external], haproxyEndpoints: "127.0.0.1:0" }
health: { checks: false }
admin: { listen: "127.0.0.1:0" }
workers: 0
`);
  t.teardown(() => daemon.stop());
  const http = daemon.address('router.http');

  /** The step of zdd's loop: as many rows as tasks, and those of them that are drained, by server name. */
  const drained = async (tasks: number, count: number): Promise<readonly string[]> => {
    const rows = await eventually(
      `${count} of ${tasks} drained`,
      10_000,
      () => serversOf(daemon),
      (found) => found.length === tasks && found.filter(({ status }) => status === 'MAINT').length === count,
    );
    const idle = rows.filter(({ status, scur, qcur }) => status === 'MAINT' && scur === '0' && (qcur ?? '0') !== '1');
    return idle.map(({ svname }) => svname ?? '').sort();
  };
  const answers = async (): Promise<readonly string[]> => {
    const got: string[] = [];
    for (let i = 0; i < 12; i++) {
      const { status, body } = await ask(http, 'shop.example', '/');
      got.push(status === 200 ? body : String(status));
    }
    return [...new Set(got)].sort();
  };

  const pids = (await ask(daemon.address('router.haproxyEndpoints'), 'shop.example', '/_haproxy_getpids')).body;
  t.equal(pids.trim().split(/\s+/).length, 1, 'more than two would be a reload under way');
  t.same(await drained(2, 0), []);
  t.same(await answers(), ['green']);

  const [first, second] = [g1, g2].sort((a, b) => (`shop-green.${a}` < `shop-green.${b}` ? -1 : 1)) as [number, number];
  deploy(green(g1, g2), blue(b1));
  t.same(await drained(3, 1), [`127_0_0_1_${first}`], 'one new task that runs relieves the first old one');
  t.same(await answers(), ['blue', 'green']);

  deploy(green(second), blue(b1));
  t.same(await drained(2, 0), [], 'two are wanted, so that the last old one stays');
  deploy(green(second), blue(b1, b2));
  t.same(await drained(3, 1), [`127_0_0_1_${second}`]);
  t.same(await answers(), ['blue']);

  deploy(blue(b1, b2));
  t.same(await drained(2, 0), []);
  t.same(await answers(), ['blue']);
});
