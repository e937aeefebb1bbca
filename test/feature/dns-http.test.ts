// Names over HTTP as programs of Mesos-DNS and dcos-net ask for them, from a daemon as users run it.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startDaemon } from './daemon.ts';

t.setTimeout(60_000);

const state = {
  leader: 'master@10.0.0.1:5050',
  slaves: [{ id: 'a-S0', pid: 'slave(1)@10.0.0.7:5051', hostname: '10.0.0.7' }],
  frameworks: [
    {
      id: 'f-0',
      name: 'marathon',
      pid: 'scheduler-1@10.0.0.9:8080',
      tasks: [{ id: 'web.1', name: 'web', slave_id: 'a-S0', framework_id: 'f-0', state: 'TASK_RUNNING', statuses: [] }],
    },
  ],
};

for (const workers of [0, 1]) {
  t.test(`with workers: ${workers}`, async (t) => {
    const path = join(mkdtempSync(join(tmpdir(), 'isthmus-dns-')), 'state.json');
    writeFileSync(path, JSON.stringify(state));
    const daemon = await startDaemon(`
cluster:
  - file: { path: ${JSON.stringify(path)}, name: marathon }
dns: { listen: ["127.0.0.1:0"], http: "127.0.0.1:0", upstreams: ["127.0.0.1:9"], enumerationOn: ${workers === 0} }
dcosNet: "127.0.0.1:0"
admin: { listen: "127.0.0.1:0" }
workers: ${workers}
`);
    t.teardown(() => daemon.stop());
    t.same(daemon.ready.degraded, []);
    const get = async (key: string, path: string): Promise<{ status: number; body: unknown }> => {
      const answer = await fetch(`http://${daemon.address(key)}${path}`, { headers: { accept: 'application/json' } });
      const text = await answer.text();
      return { status: answer.status, body: /^[[{]/.test(text) ? JSON.parse(text) : text };
    };
    t.match(await get('dns.http', '/v1/version'), { body: { Service: 'Mesos-DNS' } });
    t.strictSame((await get('dns.http', '/v1/hosts/web.marathon.mesos')).body, [
      { host: 'web.marathon.mesos.', ip: '10.0.0.7' },
    ]);
    t.match(await get('dns.http', '/v1/config'), { body: { Domain: 'mesos', TTL: 60, EnforceRFC952: false } });
    t.match(
      await get('dns.http', '/v1/enumerate'),
      workers === 0
        ? { status: 200, body: { frameworks: [{ name: 'marathon', tasks: [{ id: 'web.1' }] }] } }
        : { status: 404 },
    );
    t.strictSame((await get('dcosNet', '/v1/hosts/web.marathon.agentip.dcos.thisdcos.directory')).body, [
      { host: 'web.marathon.agentip.dcos.thisdcos.directory', ip: '10.0.0.7' },
    ]);
    t.match(await get('dcosNet', '/v1/nodes'), {
      status: 200,
      body: [{ private_ip: '10.0.0.1' }, { private_ip: '10.0.0.7' }],
    });
    t.match(await get('dcosNet', '/v1/config'), { status: 501 });
    t.match(await get('dcosNet', '/v1/vips'), { status: 404 }, 'no VIPs are configured');
  });
}
