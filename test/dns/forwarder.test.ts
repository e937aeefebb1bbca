// The forwarder against upstreams that lie, fail, cut and keep silent.

import t from 'tap';
import type { Test } from 'tap';
import dnsPacket, { type OptAnswer } from 'dns-packet';
import type { DnsFunctionOptions } from '../../dns/index.ts';
import { bindUdp, systemClock } from '../../src/runtime/index.ts';
import { askUdp, connectTcp, runDns } from './dns-server.ts';
import { address, codeTo, fakeUpstream, replyTo, type FakeUpstream, type Script } from './fake-upstream.ts';
import { queryOf, type SeenReply } from './questions.ts';

const name = 'www.example.com';
const good: Script = (query) => [replyTo(query, [address(query.name, '192.0.2.1')])];

interface Scene {
  readonly upstreams: readonly FakeUpstream[];
  ask(asked?: string, options?: Parameters<typeof queryOf>[2]): Promise<SeenReply>;
  readonly outcomes: () => Readonly<Record<string, number>>;
  readonly port: number;
}

async function scene(t: Test, scripts: readonly Script[], options: Partial<DnsFunctionOptions> = {}): Promise<Scene> {
  const upstreams: FakeUpstream[] = [];
  for (const script of scripts) upstreams.push(await fakeUpstream(t, script));
  const { port, metrics } = await runDns(t, undefined, {
    upstreams: upstreams.map((one) => one.address),
    tryMs: 150,
    totalMs: 1000,
    ...options,
  });
  return {
    upstreams,
    port,
    ask: (asked = name, questionOptions = {}) => askUdp(port, queryOf(asked, 'A', questionOptions)),
    outcomes: () => {
      const family = metrics.read().find((metric) => metric.name === 'isthmus_dns_forwarded_total');
      return Object.fromEntries((family?.values ?? []).map(({ labels, value }) => [String(labels['outcome']), value]));
    },
  };
}

t.test('an answer is passed on with the id and the spelling of the client', async (t) => {
  const { ask, upstreams } = await scene(t, [good]);
  const reply = await ask('WwW.Example.com', { id: 4242 });
  t.match(reply, { id: 4242, rcode: 'NOERROR', ra: true, aa: false, question: 'WwW.Example.com', opt: undefined });
  t.equal(reply.answers.length, 1);
  t.match(upstreams[0]?.seen, [{ name, hasEdns: true }]);
});

t.test('ids and ports are fresh for each question', async (t) => {
  const { ask, upstreams } = await scene(t, [good]);
  for (let i = 0; i < 8; i++) await ask(`n${i}.example.com`);
  const seen = upstreams[0]?.seen ?? [];
  t.ok(new Set(seen.map(({ id }) => id)).size >= 7);
  t.ok(new Set(seen.map(({ port }) => port)).size >= 7);
});

t.test('replies to another id, question or type are not believed', async (t) => {
  const lie = '192.0.2.66';
  const { ask } = await scene(t, [
    (query) => [
      replyTo(query, [address(name, lie)], { id: (query.id + 1) & 0xffff }),
      replyTo(query, [address('other.example.com', lie)], { questions: [{ name: 'other.example.com', type: 'A' }] }),
      replyTo(query, [address(name, lie)], { questions: [{ name, type: 'AAAA' }] }),
      replyTo(query, [address(name, lie)], { questions: [] }),
      replyTo(query, [address(name, lie)], { type: 'query' }),
      Buffer.from('junk'),
      ...good(query),
    ],
  ]);
  t.strictSame((await ask()).answers, [`${name} A 192.0.2.1`]);
});

t.test('only lies are as good as silence', async (t) => {
  const { ask, outcomes } = await scene(t, [(query) => [replyTo(query, [], { id: query.id ^ 1 })]], {
    tryMs: 50,
    totalMs: 100,
  });
  t.equal((await ask()).rcode, 'SERVFAIL');
  t.match(outcomes(), { timeout: 1 });
});

t.test('another upstream is asked after a refusal, a failure, silence and a closed port', async (t) => {
  const closed = await closedPort(t);
  const cases: readonly (readonly [string, Script | null])[] = [
    ['REFUSED', (query) => [codeTo(query, 5)]],
    ['SERVFAIL', (query) => [codeTo(query, 2)]],
    ['silence', () => []],
    ['nobody there', null],
  ];
  for (const [what, script] of cases) {
    await t.test(what, async (t) => {
      const backup = await fakeUpstream(t, good);
      const bad = script === null ? { address: closed, seen: [] } : await fakeUpstream(t, script);
      const { port } = await runDns(t, undefined, {
        upstreams: [bad.address, backup.address],
        tryMs: 100,
        totalMs: 2000,
      });
      const first = await askUdp(port, queryOf(name, 'A'));
      t.match(first, { rcode: 'NOERROR', answers: [`${name} A 192.0.2.1`] });
      const before = bad.seen.length;
      await askUdp(port, queryOf('second.example.com', 'A'));
      t.equal(bad.seen.length, before, 'who failed is asked last for a while');
    });
  }
});

async function closedPort(t: Test): Promise<string> {
  const one = await fakeUpstream(t, good);
  // The port above a listener's is as good as surely nobody's on loopback.
  return one.address.replace(/\d+$/, (port) => String(Number(port) + 1));
}

t.test('NXDOMAIN is an answer', async (t) => {
  const { ask, upstreams } = await scene(t, [(query) => [codeTo(query, 3)], good]);
  t.equal((await ask()).rcode, 'NXDOMAIN');
  t.equal(upstreams[1]?.seen.length, 0);
});

t.test('silence everywhere ends in SERVFAIL, within the deadline', async (t) => {
  const { ask, upstreams } = await scene(t, [() => [], () => []], { tryMs: 40, totalMs: 200 });
  t.equal((await ask()).rcode, 'SERVFAIL');
  const tries = upstreams.map(({ seen }) => seen.length);
  t.ok(
    tries.every((count) => count >= 2),
    `each was asked again: ${tries.join()}`,
  );
});

t.test('a reply that was cut is fetched over TCP', async (t) => {
  const many = Array.from({ length: 100 }, (_, i) => address(name, `192.0.2.${i}`));
  const { ask, upstreams, port } = await scene(t, [
    (query) => [
      query.transport === 'tcp' ? replyTo(query, many) : replyTo(query, [], { flags: dnsPacket.TRUNCATED_RESPONSE }),
    ],
  ]);
  const cut = await ask();
  t.match(cut, { tc: true, rcode: 'NOERROR' });
  t.ok(cut.bytes.length <= 512 && cut.answers.length > 10, 'what fits is passed on');
  const client = await connectTcp(t, port);
  client.send(queryOf(name, 'A'));
  const whole = await client.next();
  t.match(whole, { tc: false });
  t.equal(whole.answers.length, 100);
  t.ok(upstreams[0]?.seen.some(({ transport }) => transport === 'tcp'));
});

t.test('an upstream that does not know EDNS is asked without', async (t) => {
  const { ask, upstreams } = await scene(t, [(query) => (query.hasEdns ? [codeTo(query, 1)] : good(query))]);
  t.equal((await ask()).rcode, 'NOERROR');
  t.strictSame(
    upstreams[0]?.seen.map(({ hasEdns }) => hasEdns),
    [true, false],
  );
});

t.test('EDNS is between us and each side', async (t) => {
  const opt: OptAnswer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 4000,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  const { ask } = await scene(t, [(query) => [replyTo(query, [address(name, '192.0.2.1')], { additionals: [opt] })]]);
  t.equal((await ask()).opt, undefined);
  t.match(await ask(name, { edns: 1400 }), { opt: { udpPayloadSize: 1232 }, answers: [`${name} A 192.0.2.1`] });
});

t.test('equal questions are asked once, and remembered', async (t) => {
  const { ask, upstreams, outcomes } = await scene(t, [good]);
  const replies = await Promise.all([ask(name, { id: 1 }), ask('WWW.example.com', { id: 2 }), ask(name, { id: 3 })]);
  t.strictSame(
    replies.map(({ id }) => id),
    [1, 2, 3],
  );
  t.equal(replies[1]?.question, 'WWW.example.com');
  t.equal(upstreams[0]?.seen.length, 1);
  await ask();
  t.equal(upstreams[0]?.seen.length, 1);
  t.equal(outcomes()['answered'], 1);
  t.equal((outcomes()['cached'] ?? 0) + (outcomes()['joined'] ?? 0), 3);
});

t.test('an answer without a lifetime, and a failure, are not remembered', async (t) => {
  const { ask, upstreams } = await scene(t, [
    (query) =>
      query.name.startsWith('zero') ? [replyTo(query, [address(query.name, '192.0.2.1', 0)])] : [codeTo(query, 2)],
  ]);
  await ask('zero.example.com');
  await ask('zero.example.com');
  await ask('fails.example.com');
  await ask('fails.example.com');
  t.equal(upstreams[0]?.seen.length, 4);
});

t.test('who may not have names of others looked up is refused', async (t) => {
  const { ask, upstreams, port } = await scene(t, [good], { recursionFrom: ['127.0.0.2/32'] });
  t.equal((await ask()).rcode, 'REFUSED');
  t.equal((await askUdp(port, queryOf(name, 'A'), '127.0.0.2')).rcode, 'NOERROR');
  t.equal(upstreams[0]?.seen.length, 1);
});

t.test('without upstreams names of others are refused', async (t) => {
  const { ask } = await scene(t, []);
  t.equal((await ask()).rcode, 'REFUSED');
});

t.test('names of our own are never asked upstream', async (t) => {
  const { ask, upstreams } = await scene(t, [good], { forwardZones: {} });
  const names = ['nothing.mesos', 'mesos', 'x.autoip.dcos.thisdcos.directory', 'thisdcos.directory', 'zk-1.zk'];
  for (const own of names) await ask(own);
  t.equal(upstreams[0]?.seen.length, 0);
});

t.test('the longest forward zone wins', async (t) => {
  const [wide, narrow] = [await fakeUpstream(t, good), await fakeUpstream(t, good)];
  const { ask, upstreams } = await scene(t, [good], {
    forwardZones: { 'corp.example': [wide.address], 'dc.corp.example.': [narrow.address], mesos: [wide.address] },
  });
  await ask('a.corp.example');
  await ask('b.DC.corp.example');
  await ask('xcorp.example');
  await ask('nothing.mesos');
  t.strictSame(
    wide.seen.map((query) => query.name),
    ['a.corp.example'],
  );
  t.strictSame(
    narrow.seen.map((query) => query.name),
    ['b.dc.corp.example'],
  );
  t.strictSame(
    upstreams[0]?.seen.map((query) => query.name),
    ['xcorp.example'],
  );
});

t.test('a listener of our own is no upstream', async (t) => {
  const udp = await bindUdp('127.0.0.1', 0);
  const { port } = await runDns(t, undefined, { udp: [udp], tcp: [], upstreams: [`127.0.0.1:${udp.port}`] });
  t.equal(port, udp.port);
  t.equal((await askUdp(udp.port, queryOf(name, 'A'))).rcode, 'REFUSED');
});

t.test('a second upstream is asked while the first takes its time', async (t) => {
  const { ask, upstreams, outcomes } = await scene(t, [() => [], good], { tryMs: 20_000, totalMs: 20_000 });
  t.match(await ask(), { rcode: 'NOERROR' });
  t.equal(upstreams[0]?.seen.length, 1, 'it was asked first');
  t.strictSame(outcomes(), { answered: 1 });
  await ask('other.example.com');
  t.equal(upstreams[0]?.seen.length, 2, 'one that was only slow has not failed');
});

t.test('what is stale stands in where nobody answers, and says so', async (t) => {
  let isSilent = false;
  let skipMs = 0;
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skipMs };
  const script: Script = (query) => (isSilent ? [] : good(query));
  const { ask, upstreams, outcomes } = await scene(t, [script], {
    tryMs: 40,
    totalMs: 100,
    clock,
    staleForMs: 600_000,
  });
  t.equal((await ask()).answers.length, 1);
  isSilent = true;
  skipMs = 400_000;
  const reply = await ask(name, { edns: 1232 });
  t.match(reply, { rcode: 'NOERROR' });
  t.equal(reply.answers.length, 1);
  t.equal(reply.bytes.readUInt16BE(reply.bytes.length - 2), 3, 'extended error: stale answer');
  const asked = upstreams[0]?.seen.length ?? 0;
  await ask();
  t.equal(upstreams[0]?.seen.length, asked, 'nor is it asked again at once');
  t.match(outcomes(), { answered: 1, timeout: 1, stale: 2 });
  isSilent = false;
  skipMs += 40_000;
  const fresh = await ask(name, { edns: 1232 });
  t.equal(fresh.bytes.readUInt16BE(fresh.bytes.length - 2), 0, 'no error: it is fresh');
});
