// Names over HTTP as programs of Mesos-DNS and dcos-net ask for them, from a daemon as users run it.

import dnsPacket from 'dns-packet';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { askUdp, connectTcp } from '../dns/dns-server.ts';
import { queryOf } from '../dns/questions.ts';
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
    t.match(await get('dns.http', '/v1/config'), {
      body: { Domain: 'mesos', TTL: 60, EnforceRFC952: false, HttpPort: 0, DnsOn: true, HttpOn: true, Timeout: 5 },
    });
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

t.test('one serial in all workers, over HTTP, and in a transfer', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'isthmus-dns-')), 'state.json');
  writeFileSync(path, JSON.stringify(state));
  const secondary = createSocket('udp4');
  secondary.bind(0, '127.0.0.1');
  await once(secondary, 'listening');
  t.teardown(() => void secondary.close());
  const notified = new Set<string>();
  const told = new Promise<void>((resolve) =>
    secondary.on('message', (bytes) => {
      if (notified.add(readQuestion(bytes)).has('mesos')) resolve();
    }),
  );
  const daemon = await startDaemon(`
cluster:
  - file: { path: ${JSON.stringify(path)}, name: marathon }
dns:
  listen: ["127.0.0.1:0"]
  http: "127.0.0.1:0"
  upstreams: ["127.0.0.1:9"]
  transferTo: ["127.0.0.1/32"]
  notify: ["127.0.0.1:${secondary.address().port}"]
admin: { listen: "127.0.0.1:0" }
workers: 2
`);
  t.teardown(() => daemon.stop());
  const answer = await fetch(`http://${daemon.address('dns.http')}/v1/axfr`);
  const { Serial: serial } = (await answer.json()) as { Serial: number };
  t.ok(Math.abs(serial - Date.now() / 1000) < 3600, `${serial} is about now`);
  const serials = new Set<number>();
  for (let i = 0; i < 12; i++) serials.add(serialOf((await askUdp(daemon.port('dns'), queryOf('mesos', 'SOA'))).bytes));
  t.strictSame([...serials], [serial]);
  const tcp = await connectTcp(t, daemon.port('dns'));
  tcp.send(queryOf('mesos', 'AXFR'));
  const zone = await tcp.next();
  t.equal(serialOf(zone.bytes), serial);
  t.ok(zone.answers.includes('web.marathon.mesos A 10.0.0.7'));
  await told;
  t.ok(notified.has('mesos'), 'and the secondary was told');
});

const readQuestion = (bytes: Buffer): string => dnsPacket.decode(bytes).questions?.[0]?.name ?? '';

function serialOf(bytes: Buffer): number {
  const soa = dnsPacket.decode(bytes).answers?.[0];
  return soa?.type === 'SOA' ? (soa.data.serial ?? -1) : -1;
}

t.test('ports that somebody else has are named, and the rest serves', async (t) => {
  const takenPort = async (): Promise<number> => {
    const taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.teardown(() => taken.close());
    return (taken.address() as AddressInfo).port;
  };
  const ports = { 'dns.http': await takenPort(), dcosNet: await takenPort() };
  const path = join(mkdtempSync(join(tmpdir(), 'isthmus-dns-')), 'state.json');
  writeFileSync(path, JSON.stringify(state));
  const daemon = await startDaemon(`
cluster:
  - file: { path: ${JSON.stringify(path)}, name: marathon }
dns: { listen: ["127.0.0.1:0"], http: "127.0.0.1:${ports['dns.http']}", externalOn: false }
dcosNet: "127.0.0.1:${ports.dcosNet}"
admin: { listen: "127.0.0.1:0" }
workers: 0
`);
  t.teardown(() => daemon.stop());
  for (const [key, port] of Object.entries(ports))
    t.ok(
      daemon.ready.degraded.some((line) => line.startsWith(`${key}: `) && line.includes(String(port))),
      key,
    );
  t.match(await askUdp(daemon.port('dns'), queryOf('web.marathon.mesos', 'A')), { rcode: 'NOERROR' });
});
