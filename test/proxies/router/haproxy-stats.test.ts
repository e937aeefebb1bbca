// The CSV of Marathon-LB's port 9090: names, states and numbers of servers.

import t from 'tap';
import { createRouteView } from '../../../proxies/router/route-view.ts';
import { haproxyCsv } from '../../../proxies/router/haproxy-stats.ts';
import { serverId } from '../../../proxies/router/labels/server-name.ts';
import { clusterOf, routedApp, routedTask } from './routed-apps.ts';

t.test('servers have the numbers that Marathon-LB gives them', async (t) => {
  const view = createRouteView({ groups: ['*'] });
  const tasks = [routedTask('/a', 'a.1', '10.1.1.1', [31_001]), routedTask('/a', 'a.2', '10.1.1.2', [31_002])];
  view.rebuild(clusterOf([routedApp('/a', { HAPROXY_0_MODE: 'http' })], tasks));
  const [head = '', ...lines] = haproxyCsv(view.table, []).trim().split('\n');
  const columns = head.slice(2).split(',');
  const rows = lines.map((line) => line.split(',')).map((row) => [row[1], row[columns.indexOf('sid')]]);
  t.same(rows, [
    ['FRONTEND', ''],
    ['10_1_1_1_31001', String(serverId('10_1_1_1_31001', new Set()))],
    ['10_1_1_2_31002', String(serverId('10_1_1_2_31002', new Set()))],
    ['BACKEND', ''],
  ]);
});

t.test('a number that is taken gives way to another one, the same each time', async (t) => {
  const taken = new Set<number>();
  const [first, second] = [serverId('one', taken), serverId('one', taken)];
  t.not(first, second);
  t.same([...taken], [first, second]);
  const again = new Set<number>();
  t.same([serverId('one', again), serverId('one', again)], [first, second]);
  // SHA-256 of "one" by 32767, by another hand.
  t.equal(first, 22_861);
});
