// Upstreams at their worst, behind a whole DNS function: the client gets the best answer there is, and names of our own wait for nobody.

import dnsPacket from 'dns-packet';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { connectTcp, askUdp, runDns } from '../dns-server.ts';
import { address, codeTo, fakeUpstream, replyTo, type Script } from '../fake-upstream.ts';
import { queryOf, readReply } from '../questions.ts';
import { liveZone, putTask, workedExample } from '../samples.ts';

const name = 'www.example.com';
const ours = 'app.sub.group.marathon.mesos';
const good: Script = (query) => [replyTo(query, [address(query.name, '192.0.2.1')])];
const zone = (): ReturnType<typeof liveZone> => liveZone({}, putTask(workedExample()));

async function socketAt(t: Test, host: string, port = 0): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port, host);
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return socket;
}

t.test('a perfect reply from another address or port is not believed', async (t) => {
  for (const host of ['127.0.0.2', '127.0.0.1']) {
    const liar = await socketAt(t, host);
    const upstream = await socketAt(t, '127.0.0.1');
    const replyWith = (query: Buffer, data: string): Buffer => {
      const { id = 0, questions = [] } = dnsPacket.decode(query);
      return dnsPacket.encode({ type: 'response', id, questions, answers: [address(name, data)] });
    };
    upstream.on('message', (query: Buffer, from) => {
      liar.send(replyWith(query, '192.0.2.66'), from.port, from.address, () => {
        upstream.send(replyWith(query, '192.0.2.1'), from.port, from.address);
      });
    });
    const { port } = await runDns(t, undefined, { upstreams: [`127.0.0.1:${upstream.address().port}`] });
    t.strictSame((await askUdp(port, queryOf(name, 'A'))).answers, [`${name} A 192.0.2.1`], host);
  }
});

t.test('what a client could not read is no answer', async (t) => {
  const cutName = Buffer.from([0xc0, 0xff]);
  const broken: readonly (readonly [string, Script])[] = [
    ['an address of three octets', (query) => [withAnswer(query.bytes, 1, Buffer.from([192, 0, 2]))]],
    ['an alias that points behind the message', (query) => [withAnswer(query.bytes, 5, cutName)]],
    [
      'an alias that points at itself',
      (query) => [withAnswer(query.bytes, 5, Buffer.from([0xc0, query.bytes.length]))],
    ],
    ['a mail exchange without one', (query) => [withAnswer(query.bytes, 15, Buffer.from([0, 10]))]],
    ['an OPT among the answers', (query) => [withAnswer(query.bytes, 41, Buffer.alloc(0))]],
    ['records that are not there', (query) => [replyTo(query, [address(name, '192.0.2.9')]).subarray(0, -2)]],
  ];
  for (const [what, script] of broken) {
    const [bad, backup] = [await fakeUpstream(t, script), await fakeUpstream(t, good)];
    const { port } = await runDns(t, undefined, { upstreams: [bad.address, backup.address] });
    t.strictSame((await askUdp(port, queryOf(name, 'A'))).answers, [`${name} A 192.0.2.1`], what);
    t.equal(bad.seen.length, 1);
  }
});

/** A reply with one answer of type `type` and this data, put together by hand: codecs refuse to. */
function withAnswer(query: Buffer, type: number, data: Buffer): Buffer {
  const { id = 0, questions = [] } = dnsPacket.decode(query);
  const head = dnsPacket.encode({ type: 'response', id, questions });
  head.writeUInt16BE(1, 6);
  const fixed = Buffer.alloc(12);
  fixed.writeUInt16BE(0xc00c, 0);
  fixed.writeUInt16BE(type, 2);
  fixed.writeUInt16BE(1, 4);
  fixed.writeUInt32BE(300, 6);
  fixed.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, fixed, data]);
}

t.test('an upstream that asks us back', async (t) => {
  let ourPort = 0;
  const relayed: Buffer[] = [];
  const looping = await fakeUpstream(t, ({ bytes }) => {
    relayed.push(bytes);
    const socket = createSocket('udp4');
    socket.send(bytes, ourPort, '127.0.0.1', () => socket.close());
    return [];
  });
  const backup = await fakeUpstream(t, good);
  const { port } = await runDns(t, undefined, {
    upstreams: [looping.address, backup.address],
    tryMs: 20_000,
    totalMs: 20_000,
  });
  ourPort = port;
  t.strictSame((await askUdp(port, queryOf(name, 'A'))).answers, [`${name} A 192.0.2.1`], 'the other one is asked');
  t.equal(relayed.length, 1, 'the question that came back was joined with the one under way');
});

t.test('nobody waits for upstreams but who asked them', async (t) => {
  const silent = await fakeUpstream(t, () => []);
  const { port } = await runDns(t, zone(), { upstreams: [silent.address], tryMs: 60_000, totalMs: 60_000 });
  const socket = await socketAt(t, '127.0.0.1');
  const replies: number[] = [];
  const answered = new Promise<void>((resolve) => {
    socket.on('message', (bytes: Buffer) => {
      replies.push(readReply(bytes).id);
      if (replies.length === 20) resolve();
    });
  });
  for (let i = 0; i < 100; i++) socket.send(queryOf(`www${i}.example.com`, 'A', { id: 1000 + i }), port, '127.0.0.1');
  for (let i = 0; i < 20; i++) socket.send(queryOf(ours, 'A', { id: i }), port, '127.0.0.1');
  await answered;
  t.ok(
    replies.every((id) => id < 20),
    'over UDP',
  );
  const client = await connectTcp(t, port);
  client.send(queryOf('www.example.org', 'A', { id: 1 }), queryOf(ours, 'A', { id: 2 }));
  t.match(await client.next(), { id: 2, rcode: 'NOERROR' }, 'nor behind such a question on one TCP connection');
});

t.test('more questions than can be under way fail at once, and names of our own do not', async (t) => {
  const silent = await fakeUpstream(t, () => []);
  const { port, metrics } = await runDns(t, zone(), { upstreams: [silent.address], tryMs: 60_000, totalMs: 60_000 });
  const client = await connectTcp(t, port);
  const overloaded = (): number =>
    metrics
      .read()
      .find((one) => one.name === 'isthmus_dns_forwarded_total')
      ?.values.find(({ labels }) => labels['outcome'] === 'overloaded')?.value ?? 0;
  const socket = await socketAt(t, '127.0.0.1');
  const failed = once(socket, 'message');
  for (let sent = 0; overloaded() === 0 && sent < 3000; sent += 50) {
    for (let i = 0; i < 50; i++)
      socket.send(queryOf(`w${sent + i}.example.com`, 'A', { id: sent + i }), port, '127.0.0.1');
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [bytes] = (await failed) as [Buffer];
  t.match(readReply(bytes), { rcode: 'SERVFAIL' });
  client.send(queryOf(ours, 'A', { id: 2 }));
  t.match(await client.next(), { id: 2, rcode: 'NOERROR' });
});

t.test('of several bad answers and no good one, the client hears SERVFAIL once all have been asked', async (t) => {
  const all = [2, 5, 4].map((code) => fakeUpstream(t, (query) => [codeTo(query, code)]));
  const upstreams = await Promise.all(all);
  const { port } = await runDns(t, undefined, { upstreams: upstreams.map((one) => one.address) });
  const reply = await askUdp(port, queryOf(name, 'A', { edns: 1232 }));
  t.match(reply, { rcode: 'SERVFAIL', ra: true });
  t.equal(reply.bytes.readUInt16BE(reply.bytes.length - 2), 23, 'extended error: network error');
  t.strictSame(
    upstreams.map(({ seen }) => seen.length),
    [1, 1, 1],
  );
});
