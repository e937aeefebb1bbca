// The resolver that proxies use: own zones at once, others through upstreams, with or without a DNS listener.

import t from 'tap';
import type { Test } from 'tap';
import dnsPacket from 'dns-packet';
import { createDnsFunction, type DnsFunction, type DnsFunctionOptions } from '../../dns/index.ts';
import { createMetrics, silentLogger, systemClock } from '../../src/runtime/index.ts';
import { address, codeTo, fakeUpstream, replyTo, type Script } from './fake-upstream.ts';
import { liveZone, putTask, workedExample } from './samples.ts';

function withoutListeners(options: Partial<DnsFunctionOptions> = {}): DnsFunction {
  return createDnsFunction({
    udp: [],
    tcp: [],
    log: silentLogger,
    metrics: createMetrics(),
    clock: systemClock,
    random: () => 0.99,
    tryMs: 100,
    totalMs: 300,
    ...options,
  });
}

async function scene(t: Test, script: Script): Promise<DnsFunction> {
  const upstream = await fakeUpstream(t, script);
  const dns = withoutListeners({ upstreams: [upstream.address] });
  await dns.plane.replace(liveZone({}, putTask(workedExample())).view.table);
  t.teardown(() => dns.stop());
  return dns;
}

const never = new AbortController().signal;

t.test('names of our own are known at once', async (t) => {
  const { resolver } = await scene(t, () => []);
  t.strictSame(resolver.lookup('app-sub-group.marathon.mesos'), { addresses: ['9.0.1.2'], own: true });
  t.strictSame(resolver.lookup('marathon.mesos'), { addresses: [], own: true });
  t.match(resolver.lookup('nothing.mesos'), { failure: 'nonexistent' });
  t.match(resolver.lookup('nosuchzone.thisdcos.directory'), { failure: 'nonexistent' });
  t.match(resolver.lookup('a..b'), { failure: 'invalid' });
  t.equal(resolver.lookup('www.example.com'), undefined);
  t.match(await resolver.resolve('nothing.mesos', never), { failure: 'nonexistent' });
});

t.test('before a first table our names are unavailable, not unknown', async (t) => {
  t.match(withoutListeners().resolver.lookup('web.marathon.mesos'), { failure: 'unavailable' });
});

t.test('names of others come from upstream, along their aliases', async (t) => {
  const { resolver } = await scene(t, (query) => [
    replyTo(
      query,
      query.type === 'AAAA'
        ? []
        : [
            { type: 'CNAME', name: query.name, ttl: 60, data: 'real.example.net' },
            address('other.example.net', '192.0.2.66'),
            address('real.example.net', '192.0.2.1'),
          ],
      { questions: [{ name: query.name, type: query.type as 'A' }] },
    ),
  ]);
  t.strictSame(await resolver.resolve('www.example.com', never), {
    addresses: ['192.0.2.1'],
    own: false,
    aliases: ['real.example.net'],
  });
});

t.test('IPv4 and IPv6', async (t) => {
  const { resolver } = await scene(t, (query) => [
    replyTo(
      query,
      query.type === 'A'
        ? [address(query.name, '192.0.2.1')]
        : [{ type: 'AAAA', name: query.name, ttl: 60, data: '2001:db8::1' }],
      {
        questions: [{ name: query.name, type: query.type as 'A' }],
      },
    ),
  ]);
  t.strictSame(await resolver.resolve('www.example.com', never), {
    addresses: ['192.0.2.1', '2001:db8::1'],
    own: false,
  });
});

t.test('failures are told apart', async (t) => {
  const missing = await scene(t, (query) => {
    const reply = dnsPacket.encode({
      type: 'response',
      id: query.id,
      questions: [{ name: query.name, type: query.type as 'A' }],
    });
    reply.writeUInt8(3, 3);
    return [reply];
  });
  t.match(await missing.resolver.resolve('www.example.com', never), { failure: 'nonexistent' });
  const silent = await scene(t, () => []);
  t.match(await silent.resolver.resolve('www.example.com', never), { failure: 'timeout' });
  const refusing = await scene(t, (query) => [codeTo(query, 5)]);
  t.match(await refusing.resolver.resolve('www.example.com', never), { failure: 'unavailable' });
  t.match(await withoutListeners().resolver.resolve('www.example.com', never), { failure: 'unavailable' });
});

t.test('a caller may give up', async (t) => {
  const { resolver } = await scene(t, () => []);
  t.match(await resolver.resolve('www.example.com', AbortSignal.abort()), { failure: 'timeout', reason: /gave up/ });
});
