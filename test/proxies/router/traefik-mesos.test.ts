// Traefik's labels on tasks of Mesos without a Marathon: groups by discovery name, each task's own labels, addresses by ipSources.

import t from 'tap';
import { createRouteView } from '../../../proxies/router/route-view.ts';
import { inferApp, inferredKey } from '../../../src/orchestrator/infer-apps.ts';
import type { App, AppKey, Labels, Task } from '../../../src/cluster/index.ts';
import type { RouteRecord, SetEntry, TraefikRules } from '../../../proxies/router/index.ts';
import { hostPort, overlay, vipTask } from '../../lb/vip-tasks.ts';
import { clusterOf } from './routed-apps.ts';

const traefik: TraefikRules = {
  domain: 'mesos.example',
  exposedByDefault: true,
  constraints: ['tag==never'],
  groupsAsSubDomains: false,
  marathonLBCompatibility: false,
  filterMarathonConstraints: false,
  forceTaskHostname: false,
  respectReadinessChecks: false,
  ipSources: ['host'],
  defaultEntryPoints: ['http'],
};

const http = { ...hostPort(8080), name: 'http' };
const admin = { ...hostPort(9090), name: 'admin' };

function taskOf(id: string, labels: Labels, fields: Partial<Task> = {}): Task {
  const task = vipTask(id, [http, admin], { discoveryName: 'Web_Shop', labels, agentIp: '10.0.0.1', ...fields });
  return { ...task, appKey: inferredKey(task, true) };
}

function tableOf(tasks: readonly Task[], rules: Partial<TraefikRules> = {}): readonly RouteRecord[] {
  const keys = new Set(tasks.flatMap(({ appKey }) => (appKey === null ? [] : [appKey])));
  const apps = [...keys].map(
    (key: AppKey) =>
      inferApp(
        key,
        tasks.filter((task) => task.appKey === key),
      ) as App,
  );
  const view = createRouteView({ traefik: { ...traefik, ...rules } });
  view.rebuild(clusterOf(apps, tasks));
  return [...view.table.values()];
}

const servers = (table: readonly RouteRecord[]): readonly string[] =>
  table
    .filter((record): record is SetEntry => record.kind === 'set')
    .flatMap(({ id, backends }) => backends.map(({ key, weight }) => `${id.split(':').at(-1) ?? ''} ${key} ${weight}`));

void t.test('tasks of one discovery name are one frontend, each with its own weight and port', (t) => {
  const table = tableOf([
    taskOf('a', {}),
    taskOf('b', { 'traefik.weight': '18', 'traefik.portName': 'admin' }, { agentIp: '10.0.0.2' }),
  ]);
  const routes = table.filter((record) => record.kind === 'route');
  t.same(
    routes.map(({ host }) => host),
    ['web-shop.mesos.example'],
  );
  t.same(servers(table), ['backend-Web-Shop 10.0.0.1:8080 1', 'backend-Web-Shop 10.0.0.2:9090 18']);
  t.end();
});

void t.test('the filter looks at each task', (t) => {
  const out = [
    taskOf('off', { 'traefik.enable': 'false' }, { agentIp: '10.0.0.2' }),
    taskOf('both', { 'traefik.port': '8080', 'traefik.portIndex': '0' }, { agentIp: '10.0.0.3' }),
    taskOf('index', { 'traefik.portIndex': '2' }, { agentIp: '10.0.0.4' }),
    taskOf('port', { 'traefik.port': '81' }, { agentIp: '10.0.0.5' }),
  ];
  t.same(servers(tableOf([taskOf('a', {}), ...out])), ['backend-Web-Shop 10.0.0.1:8080 1']);
  t.end();
});

void t.test('a segment takes the port that is called like it', (t) => {
  const table = tableOf([taskOf('a', { 'traefik.admin.weight': '2' })]);
  t.same(servers(table), ['backend-Web-Shop-service-admin 10.0.0.1:9090 2']);
  t.end();
});

void t.test('addresses come from the first source that has one', (t) => {
  const inOverlay = taskOf('a', {}, { ...overlay('9.0.0.1'), statusLabels: {} });
  t.same(servers(tableOf([inOverlay], { ipSources: ['docker', 'netinfo', 'host'] })), [
    'backend-Web-Shop 9.0.0.1:8080 1',
  ]);
  const docker = { ...inOverlay, statusLabels: { 'Docker.NetworkSettings.IPAddress': '172.17.0.2' } };
  t.same(servers(tableOf([docker], { ipSources: ['docker', 'netinfo'] })), ['backend-Web-Shop 172.17.0.2:8080 1']);
  t.end();
});
