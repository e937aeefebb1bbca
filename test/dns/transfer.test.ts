// Zones for secondaries: whole, by their changes, and the word that there are some. `dig` is the secondary where it is installed.

import dnsPacket from 'dns-packet';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { promisify } from 'node:util';
import t from 'tap';
import { taskId, type ClusterEvent } from '../../src/cluster/index.ts';
import { createNotifier } from '../../dns/index.ts';
import { silentLogger, systemClock } from '../../src/runtime/index.ts';
import { needs } from '../needs.ts';
import { askUdp, connectTcp, runDns, type RunningDns } from './dns-server.ts';
import { queryOf } from './questions.ts';
import { dropTask, liveZone, putTask, sampleMasters, sampleTask, workedExample, type LiveZone } from './samples.ts';

const run = promisify(execFile);
const start = 1_800_000_000;
const options = { transferTo: ['127.0.0.1/32'] };

const sampleZone = (count = 1): LiveZone =>
  liveZone(
    { now: () => start * 1000 },
    { type: 'masters', masters: sampleMasters },
    ...Array.from({ length: count }, (_, i) => putTask(sampleTask({ id: taskId(`t${i}`), name: `app${i}` }))),
  );

/** Feeds the zone and the running server, as control would. */
async function feed(zone: LiveZone, { dns }: RunningDns, event: ClusterEvent): Promise<void> {
  await dns.plane.apply(zone.feed(event), zone.view.table);
}

async function dig(port: number, ...args: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await run('dig', [
    '@127.0.0.1',
    '-p',
    String(port),
    '+noall',
    '+answer',
    '+onesoa',
    '+time=3',
    ...args,
  ]);
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';'))
    .map((line) => line.replace(/\s+/g, ' '));
}

t.test('the whole zone is what the view prints', { skip: needs('dig') }, async (t) => {
  const zone = sampleZone(900);
  const { port } = await runDns(t, zone, options);
  const wanted = zone.view
    .print()
    .split('\n')
    .filter((line) => (line.split(' ')[0] ?? '').endsWith('mesos.') && line !== '');
  const lines = await dig(port, 'mesos', 'AXFR');
  t.ok(lines.length > 3600);
  t.strictSame([...lines].sort(), wanted.sort());
});

t.test('changes since a serial, one after the other', { skip: needs('dig') }, async (t) => {
  const zone = sampleZone();
  const server = await runDns(t, zone, options);
  const before = zone.view.serialOf('mesos.');
  await feed(zone, server, putTask(workedExample()));
  await feed(zone, server, dropTask(sampleTask({ id: taskId('t0') })));
  const now = zone.view.serialOf('mesos.');
  t.equal(now, before + 2);
  const lines = await dig(server.port, 'mesos', `IXFR=${before}`, '+nocookie');
  const soas = lines.flatMap((line) => / SOA \S+ \S+ (\d+)/.exec(line)?.[1] ?? []).map(Number);
  t.strictSame(soas.slice(0, 5), [now, before, before + 1, before + 1, now]);
  const added = lines.filter((line) => line.startsWith('app-sub-group.marathon.mesos.'));
  t.strictSame(added, ['app-sub-group.marathon.mesos. 60 IN A 9.0.1.2']);
  const removedAt = lines.findIndex((line) => line.startsWith('app0.marathon.mesos.'));
  const secondAt = lines.findLastIndex((line) => line.includes(`SOA ns1.mesos. root.ns1.mesos. ${before + 1}`));
  t.ok(removedAt > secondAt, 'deleted in the second change');
  t.equal((await dig(server.port, 'mesos', `IXFR=${now}`)).length, 1, 'nothing new: the SOA alone');
  t.ok((await dig(server.port, 'mesos', `IXFR=${before - 5}`)).length > 10, 'too far behind: the whole zone');
});

t.test('names that are taken out before the rest of their change', async (t) => {
  const zone = sampleZone();
  const server = await runDns(t, zone, options);
  const before = zone.view.serialOf('mesos.');
  const { set, removed } = zone.feed(dropTask(sampleTask({ id: taskId('t0') })));
  await server.dns.plane.apply({ set: [], removed }, zone.view.table);
  await server.dns.plane.apply({ set, removed: [] }, zone.view.table);
  const lines = await transferred(t, server.port, before);
  t.ok(removed.includes('app0.marathon.mesos.'));
  t.ok(
    lines.some((line) => line.startsWith('app0.marathon.mesos')),
    lines.join('\n'),
  );
});

t.test('changes applied to the old zone give the new one', async (t) => {
  const zone = sampleZone(3);
  const server = await runDns(t, zone, options);
  const held = await transferred(t, server.port, null);
  const serial = zone.view.serialOf('mesos.');
  await feed(zone, server, putTask(workedExample()));
  await feed(
    zone,
    server,
    putTask(sampleTask({ id: taskId('t1'), name: 'app1', agentIp: '10.0.0.9', agentIps: ['10.0.0.9'] })),
  );
  await feed(zone, server, dropTask(sampleTask({ id: taskId('t2') })));
  const changes = await transferred(t, server.port, serial);
  const records = new Set(held.filter((line) => !line.includes(' SOA ')));
  let isDeleting = false;
  for (const line of changes.slice(1, -1)) {
    if (line.includes(' SOA ')) isDeleting = !isDeleting;
    else if (isDeleting) t.ok(records.delete(line), `${line} was there`);
    else records.add(line);
  }
  const wanted = (await transferred(t, server.port, null)).filter((line) => !line.includes(' SOA '));
  t.strictSame([...records].sort(), wanted.sort());
});

/** Records of a transfer in order, without the zone's copy of the SOA's serial. */
async function transferred(
  t: Parameters<typeof runDns>[0],
  port: number,
  serial: number | null,
): Promise<readonly string[]> {
  const client = await connectTcp(t, port);
  client.send(transferQuery(serial));
  const records: string[] = [];
  for (let soas = 0; soas < 2;) {
    const reply = await client.next();
    const { answers = [] } = dnsPacket.decode(reply.bytes);
    for (const record of answers) {
      const data = 'data' in record ? JSON.stringify(record.data) : '';
      records.push(`${record.name} ${record.type} ${data}`);
    }
    const first = records[0];
    soas = records.filter((line) => line === first).length - (serial === null ? 0 : 1);
    if (serial !== null && records.length === 1) break;
  }
  client.socket.end();
  return records;
}

function transferQuery(serial: number | null): Buffer {
  const type = serial === null ? 'AXFR' : 'IXFR';
  const soa = { mname: '.', rname: '.', serial: serial ?? 0, refresh: 0, retry: 0, expire: 0, minimum: 0 };
  return dnsPacket.encode({
    type: 'query',
    id: 7,
    questions: [{ type: type as 'A', name: 'mesos' }],
    authorities: serial === null ? [] : [{ type: 'SOA', name: 'mesos', data: soa }],
  });
}

t.test('who may not have a zone, and what is none', async (t) => {
  const zone = sampleZone();
  const open = await runDns(t, zone, options);
  const closed = await runDns(t, zone);
  const code = async (port: number, query: Buffer): Promise<string> => {
    const client = await connectTcp(t, port);
    client.send(query);
    const { rcode } = await client.next();
    client.socket.end();
    return rcode;
  };
  t.equal(await code(closed.port, transferQuery(null)), 'REFUSED', 'nobody by default');
  t.equal(await code(open.port, queryOf('marathon.mesos', 'AXFR')), 'REFUSED', 'no zone of its own');
  t.equal(await code(open.port, queryOf('in-addr.arpa', 'AXFR')), 'REFUSED', 'ours only in part');
  t.equal((await askUdp(open.port, queryOf('mesos', 'AXFR'))).rcode, 'REFUSED', 'not over UDP');
  const changes = await askUdp(open.port, transferQuery(start - 1));
  t.match(changes.answers, [/^mesos SOA ns1\.mesos /], 'over UDP: the serial, to come back over TCP');
  t.equal((await askUdp(closed.port, transferQuery(start - 1))).rcode, 'REFUSED');
});

t.test('secondaries are told, again while they are silent, and no more once they have heard', async (t) => {
  const secondary = createSocket('udp4');
  secondary.bind(0, '127.0.0.1');
  await once(secondary, 'listening');
  const heard: string[] = [];
  const told = new Promise<void>((resolve) =>
    secondary.on('message', (bytes, { port, address }) => {
      heard.push(`${bytes.readUInt16BE(2) >> 11} ${dnsPacket.decode(bytes).questions?.[0]?.name ?? ''}`);
      if (heard.length < 2) return;
      const reply = Buffer.from(bytes);
      reply.writeUInt16BE(0xa400, 2);
      secondary.send(reply, port, address, () => resolve());
    }),
  );
  const notifier = createNotifier({
    secondaries: [`127.0.0.1:${secondary.address().port}`],
    clock: systemClock,
    log: silentLogger,
    gatherMs: 5,
    retryMs: 20,
  });
  notifier.changed('mesos.', 1);
  notifier.changed('mesos.', 2);
  await notifier.start();
  await told;
  await notifier.stop();
  secondary.close();
  t.strictSame(heard, ['4 mesos', '4 mesos']);
});
