// Rules of RFC 9113 and RFC 7541 that a client can break: the table, and those that take more than one step.

import t from 'tap';
import { frameType, preface, setting } from '../../../proxies/http2/frame-words.ts';
import { data, endHeaders, endStream, frame, headers, openFront, ping, settings } from './frame-client.ts';
import { malformed, open, posted, protocol, request, rules } from './rule-rows.ts';

for (const [section, what, sent, wanted] of rules) {
  t.test(`${section}: ${what}`, async (t) => {
    const { client } = await openFront(t);
    const one = await client();
    one.send(...sent);
    const events = await one.settled();
    t.ok(events.includes(wanted), `${wanted} is in ${events.join(', ')}`);
    if (!wanted.startsWith('goaway') && wanted !== 'closed')
      t.notOk(events.includes('closed'), 'the connection goes on');
    t.notOk(events.includes('undecodable'));
  });
}

t.test('3.4: what is no preface', async (t) => {
  const { client } = await openFront(t);
  const one = await client(false);
  one.send(Buffer.from('INVALID CONNECTION PREFACE\r\n\r\n'));
  t.match(await one.until(/^goaway/), protocol);
  await one.until('closed');
});

t.test('3.4: a preface without SETTINGS behind it', async (t) => {
  const { client } = await openFront(t);
  const one = await client(false);
  one.send(preface, ping('abcdefgh'));
  t.match(await one.until(/^goaway/), protocol);
});

t.test('3.4: preface and frames octet by octet', async (t) => {
  const { client } = await openFront(t);
  const one = await client(false);
  for (const octet of Buffer.concat([preface, settings(), headers(1)])) one.send(Buffer.from([octet]));
  t.ok(await one.until('end 1'));
});

t.test('5.1.2: more streams than are allowed are refused, the others go on', async (t) => {
  const { client } = await openFront(t, { limits: { streams: 3 } });
  const one = await client();
  one.send(settings([setting.initialWindowSize, 0]), ...[1, 3, 5, 7].map((id) => headers(id)));
  t.ok((await one.settled()).includes('reset 7 REFUSED_STREAM'));
  one.send(settings([setting.initialWindowSize, 100]));
  await one.until('end 5');
  one.send(headers(9));
  await one.until('end 9');
});

t.test('5.1: what comes on a stream that we have reset is ignored', async (t) => {
  const { client } = await openFront(t);
  const one = await client();
  one.send(posted('1'), data(1, 'ab', 0), data(1, 'cd', 0), headers(1, [['a', 'b']]), headers(3));
  const events = await one.settled();
  t.ok(events.includes(malformed));
  t.ok(events.includes('status 3 200'));
});

t.test('6.8: a client that leaves gets its answers first', async (t) => {
  const { client } = await openFront(t);
  const one = await client();
  one.send(open(1), frame(frameType.goaway, 0, 0, Buffer.alloc(8)), data(1, 'x'));
  await one.until('closed');
  t.ok(one.events.includes('end 1'));
});

t.test('a block that is refused is decoded all the same', async (t) => {
  const { client } = await openFront(t, { limits: { streams: 1 } });
  const one = await client();
  const inserting = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('x'), Buffer.from([1]), Buffer.from('y')]);
  one.send(
    open(1),
    frame(frameType.headers, endHeaders | endStream, 3, Buffer.concat([request, inserting])),
    data(1, ''),
  );
  await one.until('end 1');
  one.send(frame(frameType.headers, endHeaders | endStream, 5, Buffer.concat([request, Buffer.from([0xbe])])));
  t.ok(await one.until('status 5 200'));
});
