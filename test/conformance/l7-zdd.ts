// Blue/green deployments: which old servers get nothing new, by the view that the daemon uses.

import { drainCount, targetInstances } from '../../proxies/router/labels/deployment-group.ts';
import { backendName } from '../../proxies/router/labels/marathon-lb-service.ts';
import { serverName } from '../../proxies/router/labels/server-name.ts';
import { createRouteView } from '../../proxies/router/route-view.ts';
import { keyOfRecord, portKey, setKey } from '../../proxies/router/route-record.ts';
import { clusterOf, routedApp, routedTask } from '../proxies/router/routed-apps.ts';
import { judge, rowOf, rowsOf, same, type Report, type Row } from './l7-outcome.ts';

export async function runZdd(cases: unknown, report: Report): Promise<void> {
  for (const [key, value] of Object.entries(rowOf(cases))) {
    if (key === 'about') continue;
    if (key === 'drained') await judge(key, report, () => compareDrained(rowOf(value)));
    else if (key === 'drainTable')
      for (const [index, row] of rowsOf(value, key).entries())
        await judge(`${key} ${index}`, report, () => compareDrain(row));
    else
      for (const [index, row] of rowsOf(value, key).entries())
        await judge(
          `${key} ${index}`,
          report,
          () => compareOther(row),
          rowOf(row['expect'])['pxname'] === undefined ? 'zdd.py' : key,
        );
  }
}

/** The names of servers are ours; what zdd makes of the rows is its own. */
function compareDrained(row: Row): readonly string[] {
  const names = rowsOf(row['tasks'], 'tasks').flatMap((task) =>
    (task['ports'] as readonly number[]).map((port) => serverName(String(task['host']), String(task['host']), port)),
  );
  return same('svnames', names, rowOf(row['expect'])['svnames']);
}

function compareOther(row: Row): readonly string[] {
  const given = rowOf(row['given']);
  const pxname = rowOf(row['expect'])['pxname'];
  if (pxname === undefined) return ['is a rule that the runner does not know'];
  const group = String(given['HAPROXY_DEPLOYMENT_GROUP']);
  return same('pxname', backendName(`/${group}`, Number(given['HAPROXY_0_PORT'])), pxname);
}

function compareDrain(row: Row): readonly string[] {
  const number = (key: string): number => Number(row[key]);
  const group = { HAPROXY_DEPLOYMENT_GROUP: 'nginx', HAPROXY_GROUP: 'external', HAPROXY_0_PORT: '10000' };
  const turnsBack = row['oldScaledAfterNew'] === true;
  const check = { protocol: 'HTTP', path: '/', portIndex: 0, port: null, intervalMs: 2000, timeoutMs: 1000 };
  const healthChecks = row['hasHealthChecks'] === false ? [] : [{ ...check, maxConsecutiveFailures: 3 }];
  const labelled = row['newInstancesLabel'] !== null && row['newInstancesLabel'] !== undefined;
  const newLabels = {
    ...group,
    HAPROXY_DEPLOYMENT_STARTED_AT: '2016-02-01T14:57:54.371005',
    HAPROXY_DEPLOYMENT_TARGET_INSTANCES: String(row['targetInstances']),
    ...(labelled ? { HAPROXY_DEPLOYMENT_NEW_INSTANCES: String(row['newInstancesLabel']) } : {}),
  };
  const old = {
    ...routedApp('/nginx-green', { ...group, HAPROXY_DEPLOYMENT_STARTED_AT: '2016-02-01T14:13:42.499089' }),
    instances: number('old'),
    lastScalingAt: turnsBack ? 2 : 0,
    healthChecks,
  };
  const fresh = { ...routedApp('/nginx-blue', newLabels), instances: number('new'), lastScalingAt: 1, healthChecks };
  const tasks = [
    ...range(number('old')).map((i) =>
      routedTask('/nginx-green', `nginx-green.${1000 + i}`, '10.0.6.25', [16_000 + i], { appHealth: 'alive' }),
    ),
    ...range(number('new')).map((i) =>
      routedTask('/nginx-blue', `nginx-blue.${1000 + i}`, '10.0.1.147', [25_000 + i], {
        appHealth: i < number('newHealthy') ? 'alive' : 'failing',
      }),
    ),
  ];
  const view = createRouteView({ groups: ['external'], labels: 'reference' });
  view.rebuild(clusterOf([old, fresh], tasks));
  const expect = rowOf(row['expect']);
  const port = view.table.get(portKey(Number(expect['servicePort'])));
  if (port?.kind !== 'port') return [`there is no port: ${[...view.table.values()].map(keyOfRecord).join(' ')}`];
  const set = view.table.get(setKey(port.set));
  const backends = set?.kind === 'set' ? set.backends : [];
  const of = (state: string): readonly string[] =>
    backends.filter((backend) => backend.state === state).map((backend) => backend.key);
  return [
    ...same('app', port.appId, expect['appId']),
    ...same('draining', of('draining'), expect['draining']),
    ...same('active', of('up'), expect['active']),
    ...(turnsBack ? [] : same('count', of('draining').length, countOf(row, targetInstances(fresh)))),
  ];
}

const countOf = (row: Row, target: number): number =>
  drainCount({
    oldTasks: Number(row['old']),
    oldInstances: Number(row['old']),
    healthyNew: row['hasHealthChecks'] === false ? Number(row['new']) : Number(row['newHealthy']),
    target,
  });

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
