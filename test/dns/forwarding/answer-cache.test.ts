// What is remembered of upstreams, for how long, and how much of it.

import t from 'tap';
import dnsPacket, { type Packet } from 'dns-packet';
import { createAnswerCache, type AnswerCache } from '../../../dns/forwarding/answer-cache.ts';
import { layoutOf } from '../../../dns/wire/index.ts';
import { manualClock, type ManualClock } from '../../runtime/manual-clock.ts';

function put(cache: AnswerCache, key: string, packet: Packet, code = 0): void {
  const bytes = dnsPacket.encode({ type: 'response', questions: [{ name: 'a.example', type: 'A' }], ...packet });
  bytes.writeUInt8((bytes.readUInt8(3) & 0xf0) | code, 3);
  const layout = layoutOf(bytes);
  if (layout === null) throw new Error('unreadable');
  cache.put(key, bytes, layout);
}

const answer = (ttl: number): Packet => ({ answers: [{ type: 'A', name: 'a.example', ttl, data: '192.0.2.1' }] });
const soa = (ttl: number, minimum: number): Packet => ({
  authorities: [
    {
      type: 'SOA',
      name: 'example',
      ttl,
      data: { mname: 'ns.example', rname: 'root.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
    },
  ],
});

function lifetimes(packet: Packet, code = 0): string {
  const clock: ManualClock = manualClock();
  const cache = createAnswerCache(clock, 10);
  put(cache, 'k', packet, code);
  for (let seconds = 0; seconds <= 4000; seconds++) {
    const kept = cache.get('k');
    if (kept === null) return `${seconds}`;
    if (kept.ageSeconds !== seconds) return `age ${kept.ageSeconds} after ${seconds}`;
    clock.advance(1000);
  }
  return 'for ever';
}

t.test('lifetimes in seconds', async (t) => {
  t.equal(lifetimes(answer(30)), '30');
  t.equal(
    lifetimes({ answers: [...(answer(30).answers ?? []), ...(answer(20).answers ?? [])] }),
    '20',
    'the shortest counts',
  );
  t.equal(lifetimes(answer(0)), '0');
  t.equal(lifetimes(answer(100_000)), '3600', 'an hour at most');
  t.equal(lifetimes(answer(0xffffffff)), '0', 'a TTL with its top bit set is zero');
  t.equal(lifetimes(soa(60, 15), 3), '15', 'a denial by its SOA');
  t.equal(lifetimes(soa(10, 900), 3), '10');
  t.equal(lifetimes(soa(9000, 9000)), '300', 'five minutes at most');
  t.equal(lifetimes({}, 3), '0', 'a denial without SOA');
  t.equal(lifetimes(answer(30), 2), '0', 'a failure');
  t.equal(lifetimes({ ...answer(30), flags: dnsPacket.TRUNCATED_RESPONSE }), '0', 'a part');
});

t.test('the longest unused goes first', async (t) => {
  const cache = createAnswerCache(manualClock(), 3);
  for (const key of ['a', 'b', 'c']) put(cache, key, answer(30));
  cache.get('a');
  put(cache, 'd', answer(30));
  t.equal(cache.size, 3);
  t.equal(cache.get('b'), null);
  t.not(cache.get('a'), null);
});

t.test('nothing is kept where nothing may be', async (t) => {
  const cache = createAnswerCache(manualClock(), 0);
  put(cache, 'a', answer(30));
  t.equal(cache.size, 0);
});

t.test('what is past its lifetime is kept for a while, for when nobody answers', async (t) => {
  const clock = manualClock();
  const cache = createAnswerCache(clock, 10, 60_000);
  put(cache, 'k', answer(5));
  t.equal(cache.stale('k'), null, 'it is fresh');
  clock.advance(6000);
  t.equal(cache.get('k'), null, 'asked for first');
  t.match(cache.stale('k'), { isStale: true, ageSeconds: 6 });
  cache.holdStale('k');
  t.match(cache.get('k'), { isStale: true }, 'nobody answered: not asked again at once');
  clock.advance(30_000);
  t.equal(cache.get('k'), null);
  clock.advance(30_000);
  t.equal(cache.stale('k'), null, 'too old');
  t.equal(cache.get('k'), null);
  t.equal(cache.size, 0);
});
