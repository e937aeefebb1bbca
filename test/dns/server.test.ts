// The server on real sockets: datagrams, pipelined and half-closed connections, limits, draining, and dig.

import t from 'tap';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { taskId } from '../../src/cluster/index.ts';
import { createDnsFunction } from '../../dns/index.ts';
import { bindUdp, createMetrics, seededRandom, silentLogger } from '../../src/runtime/index.ts';
import { needs } from '../needs.ts';
import { manualClock } from '../runtime/manual-clock.ts';
import { askUdp, connectTcp, framed, runDns } from './dns-server.ts';
import { address, fakeUpstream, replyTo } from './fake-upstream.ts';
import { queryOf } from './questions.ts';
import { liveZone, putTask, samplePort, sampleTask, workedExample } from './samples.ts';

const exampleZone = (): ReturnType<typeof liveZone> => liveZone({}, putTask(workedExample()));
const name = 'app.sub.group.marathon.mesos';

t.test('UDP', async (t) => {
  const { dns, port } = await runDns(t, exampleZone());
  t.strictSame(dns.localAddresses, [`127.0.0.1:${port}`]);
  const reply = await askUdp(port, queryOf(name, 'A', { id: 77, edns: 1232 }));
  t.match(reply, { id: 77, rcode: 'NOERROR', answers: [`${name} A 9.0.1.2`], opt: { udpPayloadSize: 1232 } });
});

t.test('a change is answered as soon as it is applied', async (t) => {
  const zone = liveZone();
  const { dns, port } = await runDns(t, zone);
  t.equal((await askUdp(port, queryOf(name, 'A'))).rcode, 'NXDOMAIN');
  await dns.plane.apply(zone.feed(putTask(workedExample())), zone.view.table);
  t.equal((await askUdp(port, queryOf(name, 'A'))).rcode, 'NOERROR');
});

t.test('garbage gets nothing and does no harm', async (t) => {
  const { port } = await runDns(t, exampleZone());
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  const random = seededRandom(9);
  for (let i = 0; i < 200; i++) {
    const junk = Buffer.from(Array.from({ length: Math.floor(random() * 60) }, () => Math.floor(random() * 256)));
    socket.send(junk, port, '127.0.0.1');
  }
  t.equal((await askUdp(port, queryOf(name, 'A'))).rcode, 'NOERROR');
});

t.test('TCP answers every query of a connection', async (t) => {
  const { port } = await runDns(t, exampleZone());
  const client = await connectTcp(t, port);
  client.send(
    queryOf(name, 'A', { id: 1 }),
    queryOf('nothing.mesos', 'A', { id: 2 }),
    queryOf(name, 'AAAA', { id: 3 }),
  );
  const replies = [await client.next(), await client.next(), await client.next()];
  t.strictSame(
    replies.map(({ id, rcode }) => `${id} ${rcode}`),
    ['1 NOERROR', '2 NXDOMAIN', '3 NOERROR'],
  );
  const bytes = framed(queryOf(name, 'A', { id: 4 }));
  for (const octet of bytes) client.socket.write(Buffer.from([octet]));
  t.equal((await client.next()).id, 4, 'octet by octet');
});

t.test('what does not fit a datagram comes whole over TCP', async (t) => {
  const events = Array.from({ length: 80 }, (_, i) =>
    putTask(
      sampleTask({ id: taskId(`w${i}`), discoveryName: 'web', agentIp: `10.0.1.${i}`, agentIps: [`10.0.1.${i}`] }),
    ),
  );
  const { port } = await runDns(t, liveZone({}, ...events));
  const cut = await askUdp(port, queryOf('web.marathon.mesos', 'A'));
  t.equal(cut.tc, true);
  const client = await connectTcp(t, port);
  client.send(queryOf('web.marathon.mesos', 'A'));
  const whole = await client.next();
  t.match(whole, { tc: false });
  t.equal(whole.answers.length, 80);
});

t.test('who has closed the sending side still gets the replies under way', async (t) => {
  const gate: (() => void)[] = [];
  const upstream = await fakeUpstream(t, () => {
    gate.shift()?.();
    return [];
  });
  const asked = new Promise<void>((resolve) => gate.push(resolve));
  const { port } = await runDns(t, exampleZone(), { upstreams: [upstream.address], tryMs: 100, totalMs: 100 });
  const client = await connectTcp(t, port);
  client.send(queryOf('example.com', 'A', { id: 8 }), queryOf(name, 'A', { id: 9 }));
  client.socket.end();
  t.match(await client.next(), { id: 9, rcode: 'NOERROR' }, 'replies need not keep the order of the questions');
  await asked;
  t.match(await client.next(), { id: 8, rcode: 'SERVFAIL' });
  if (!client.socket.readableEnded) await once(client.socket, 'end');
});

t.test('connections are limited in number', async (t) => {
  const { port } = await runDns(t, exampleZone(), { mostConnections: 2 });
  const first = await connectTcp(t, port);
  const second = await connectTcp(t, port);
  for (const client of [first, second]) {
    client.send(queryOf(name, 'A'));
    t.equal((await client.next()).rcode, 'NOERROR');
  }
  const third = await connectTcp(t, port);
  third.send(queryOf(name, 'A'));
  await t.rejects(third.next(), /ended/);
  first.send(queryOf(name, 'A'));
  t.equal((await first.next()).rcode, 'NOERROR', 'those that are there stay');
});

t.test('an idle connection is closed, one that asks is not', async (t) => {
  const clock = manualClock();
  const { port } = await runDns(t, exampleZone(), { clock, tcpIdleMs: 1000 });
  const idle = await connectTcp(t, port);
  const busy = await connectTcp(t, port);
  for (const client of [idle, busy]) {
    client.send(queryOf(name, 'A'));
    await client.next();
  }
  clock.advance(600);
  busy.send(queryOf(name, 'A'));
  await busy.next();
  clock.advance(600);
  await t.rejects(idle.next(), /ended/);
  busy.send(queryOf(name, 'A'));
  t.equal((await busy.next()).rcode, 'NOERROR');
});

t.test('draining lets TCP finish and keeps UDP answering', async (t) => {
  let release: (() => void) | undefined;
  const upstream = await fakeUpstream(t, (query) => {
    release?.();
    return query.type === 'A' ? [replyTo(query, [address(query.name, '192.0.2.1')])] : [];
  });
  const { dns, port } = await runDns(t, exampleZone(), { upstreams: [upstream.address] });
  const idle = await connectTcp(t, port);
  const asking = await connectTcp(t, port);
  idle.send(queryOf(name, 'A'));
  await idle.next();
  const arrived = new Promise<void>((resolve) => (release = resolve));
  asking.send(queryOf('example.com', 'A', { id: 3 }));
  await arrived;
  const drained = dns.drain(5000);
  t.match(await asking.next(), { id: 3, rcode: 'NOERROR' });
  if (!asking.socket.readableEnded) await once(asking.socket, 'end');
  asking.socket.end();
  idle.socket.end();
  await drained;
  t.equal((await askUdp(port, queryOf(name, 'A'))).rcode, 'NOERROR');
});

t.test('start fails only if no listener opens', async (t) => {
  const broken = { address: '127.0.0.1', port: 1, open: () => Promise.reject(new Error('taken')) };
  const good = await bindUdp('127.0.0.1', 0);
  const options = { log: silentLogger, metrics: createMetrics(), clock: manualClock(), random: seededRandom(1) };
  await t.rejects(createDnsFunction({ ...options, udp: [broken], tcp: [] }).start(), { code: 'DNS_LISTEN' });
  const partly = createDnsFunction({ ...options, udp: [broken, good], tcp: [] });
  await partly.start();
  await partly.stop();
  await createDnsFunction({ ...options, udp: [], tcp: [] }).start();
});

t.test('dig understands it', { skip: needs('dig') }, async (t) => {
  const task = sampleTask({ id: taskId('a'), discoveryName: 'web', ports: [samplePort({ name: 'http' })] });
  const { port } = await runDns(t, liveZone({}, putTask(task)));
  const dig = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)('dig', [
      '@127.0.0.1',
      '-p',
      String(port),
      '+time=2',
      '+tries=1',
      ...args,
    ]);
    return stdout;
  };
  t.match(await dig('web.marathon.mesos', '+short'), /^10\.0\.0\.7\n$/);
  t.match(
    await dig('_http._web._tcp.marathon.mesos', 'SRV', '+tcp', '+short'),
    /^0 1 31000 web-o556e-s0\.marathon\.mesos\.\n$/,
  );
  const denied = await dig('nothing.mesos', 'AAAA');
  t.match(denied, /status: NXDOMAIN/);
  t.match(denied, /EDNS: version: 0.*udp: 1232/);
  t.match(denied, /^mesos\.\s+5\s+IN\s+SOA\s+ns1\.mesos\. root\.ns1\.mesos\. \d+ 60 600 86400 5$/m);
  t.notMatch(denied, /WARNING|malformed|Got bad packet/i);
});
