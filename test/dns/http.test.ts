// Mesos-DNS's HTTP API, path by path, and over a socket.

import t from 'tap';
import { taskId } from '../../src/cluster/index.ts';
import { dnsHttpReply, type DnsHttpSource } from '../../dns/http-replies.ts';
import { createDnsHttp } from '../../dns/index.ts';
import { bindTcp, silentLogger } from '../../src/runtime/index.ts';
import { liveZone, putTask, sampleMasters, sampleTask, workedExample } from './samples.ts';

const json = 'application/json';
const second = sampleTask({ id: taskId('a'), name: 'web' });
const { view, snapshot } = liveZone(
  {},
  { type: 'masters', masters: sampleMasters },
  putTask(workedExample()),
  putTask(second),
);
const source: DnsHttpSource = {
  view,
  snapshot,
  version: '0.1.0',
  domain: 'mesos',
  ttlSeconds: 60,
  soaMname: 'ns1.mesos.',
  soaRname: 'root.ns1.mesos.',
  enumerationOn: true,
  configuration: { Domain: 'mesos' },
  serial: () => 1234,
};
const body = (path: string): unknown => dnsHttpReply(path, json, source).body;

t.test('version and configuration', async (t) => {
  t.strictSame(body('/v1/version'), {
    Service: 'Mesos-DNS',
    Version: '0.1.0',
    URL: 'https://github.com/mesosphere/mesos-dns',
  });
  t.strictSame(body('/v1/config'), { Domain: 'mesos' });
});

t.test('hosts', async (t) => {
  t.strictSame(body('/v1/hosts/leader.mesos'), [{ host: 'leader.mesos.', ip: '10.0.0.1' }]);
  t.strictSame(body('/v1/hosts/Leader.mesos.'), [{ host: 'leader.mesos.', ip: '10.0.0.1' }]);
  for (const name of ['nothing.mesos', 'zk-1.zk', 'a..b', 'mesos']) {
    t.strictSame(body(`/v1/hosts/${name}`), [{ host: '', ip: '' }], name);
  }
  t.match(dnsHttpReply('/v1/hosts/leader.mesos/ports', json, source), { status: 501, text: 'To be implemented...' });
});

t.test('services', async (t) => {
  const service = '_app-sub-group._tcp.marathon.mesos';
  t.strictSame(body(`/v1/services/${service}`), [
    { service, host: 'app-sub-group-u3no4-s0.marathon.mesos.', ip: '9.0.1.2', port: '31000' },
  ]);
  t.strictSame(body('/v1/services/_leader._tcp.mesos.'), [
    { service: '_leader._tcp.mesos.', host: 'leader.mesos.', ip: '10.0.0.1', port: '5050' },
  ]);
  t.strictSame(body('/v1/services/_nothing._tcp.mesos'), [{ service: '', host: '', ip: '', port: '' }]);
});

t.test('the whole zone', async (t) => {
  t.match(body('/v1/axfr'), {
    TTL: 60,
    Serial: 1234,
    Mname: 'ns1.mesos.',
    Rname: 'root.ns1.mesos.',
    Domain: 'mesos',
    Records: {
      As: { 'leader.mesos.': ['10.0.0.1'], 'master.mesos.': ['10.0.0.1', '10.0.0.2'] },
      SRVs: { '_leader._tcp.mesos.': ['leader.mesos.:5050'] },
    },
  });
  t.notMatch(JSON.stringify(body('/v1/axfr')), /thisdcos/);
});

t.test('the tasks and their records', async (t) => {
  const listed = body('/v1/enumerate') as {
    frameworks: { name: string; tasks: { name: string; id: string; records: object[] }[] }[];
  };
  t.strictSame(
    listed.frameworks.map(({ name, tasks }) => [name, tasks.map((task) => task.name)]),
    [['marathon', ['app.sub.group', 'web']]],
  );
  t.strictSame(listed.frameworks[0]?.tasks[1]?.records, [
    { name: 'web-o556e-s0.marathon.mesos.', host: '10.0.0.7', rtype: 'A' },
    { name: 'web-o556e-s0.marathon.slave.mesos.', host: '10.0.0.7', rtype: 'A' },
    { name: 'web.marathon.mesos.', host: '10.0.0.7', rtype: 'A' },
    { name: 'web.marathon.slave.mesos.', host: '10.0.0.7', rtype: 'A' },
  ]);
});

t.test('what is not there, and what is not wanted', async (t) => {
  const closed = { ...source, enumerationOn: false };
  for (const path of ['/v1/axfr', '/v1/enumerate']) t.equal(dnsHttpReply(path, json, closed).status, 404, path);
  for (const path of [
    '/',
    '/v2/version',
    '/v1/hosts',
    '/v1/hosts/',
    '/v1/nothing/x',
    '/v1/hosts/%zz',
    '/v1/hosts/a/b/c',
  ]) {
    t.equal(dnsHttpReply(path, json, source).status, 404, path);
  }
  t.equal(dnsHttpReply('/v1/version', 'text/html', source).status, 406);
  t.equal(dnsHttpReply('/v1/nosuch', 'text/html', source).status, 404);
  t.equal(dnsHttpReply('/v1/version', 'text/html, application/json;q=0.5', source).status, 200);
  t.equal(dnsHttpReply('/v1/version', '', source).status, 200);
});

t.test('over a socket', async (t) => {
  const listener = bindTcp('127.0.0.1', 0);
  const http = createDnsHttp({ listeners: [listener], source, log: silentLogger });
  await http.start();
  const url = `http://127.0.0.1:${listener.port}`;
  const response = await fetch(`${url}/v1/hosts/leader.mesos?x=1`);
  t.match(response.headers.get('content-type'), /^application\/json/);
  t.equal(await response.text(), '[\n {\n  "host": "leader.mesos.",\n  "ip": "10.0.0.1"\n }\n]\n');
  t.equal((await fetch(`${url}/v1/version`, { method: 'POST', body: '{}' })).status, 405);
  await http.stop();
  await t.rejects(fetch(`${url}/v1/version`));
});
