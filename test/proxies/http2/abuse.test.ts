// What one client may cost: each limit ends its connection, or its stream, with the reason, and takes nothing from others.

import t from 'tap';
import { frameFlag, frameType, preface, setting } from '../../../proxies/http2/frame-words.ts';
import type { Exchange } from '../../../proxies/http1/index.ts';
import {
  acknowledgement,
  block,
  data,
  endHeaders,
  endStream,
  frame,
  headers,
  number,
  openFront,
  ping,
  settings,
  usualFields,
} from './frame-client.ts';

const open = (stream: number): Buffer => headers(stream, usualFields('POST'), endHeaders);
const reset = (stream: number): Buffer => frame(frameType.rstStream, 0, stream, number(8));
const odd = (count: number): number[] => Array.from({ length: count }, (_, i) => i * 2 + 1);

/** What is sent, and the reason that GOAWAY gives. */
const floods: readonly (readonly [what: string, sent: readonly Buffer[], reason: string])[] = [
  ['streams opened and reset', odd(1100).flatMap((id) => [open(id), reset(id)]), 'reset-flood'],
  ['streams that we have to reset', odd(1100).map((id) => headers(id, [[':method', 'GET']])), 'reset-flood'],
  ['PING', Array.from({ length: 1100 }, () => ping('abcdefgh')), 'control-flood'],
  ['SETTINGS', Array.from({ length: 1100 }, () => settings()), 'control-flood'],
  ['PRIORITY', Array.from({ length: 1100 }, () => frame(frameType.priority, 0, 1, Buffer.alloc(5))), 'control-flood'],
  ['unknown frames', Array.from({ length: 1100 }, () => frame(99, 0, 0)), 'control-flood'],
  [
    'window updates',
    [open(1), ...Array.from({ length: 10_100 }, () => frame(frameType.windowUpdate, 0, 1, number(1)))],
    'window-update-flood',
  ],
  ['DATA without content', [open(1), ...Array.from({ length: 150 }, () => data(1, '', 0))], 'empty-data-flood'],
  [
    'DATA of padding alone',
    [open(1), ...Array.from({ length: 150 }, () => frame(frameType.data, frameFlag.padded, 1, Buffer.from([2, 0, 0])))],
    'empty-data-flood',
  ],
  [
    'CONTINUATION without content',
    [headers(1, usualFields(), endStream), ...Array.from({ length: 40 }, () => frame(frameType.continuation, 0, 1))],
    'continuation-flood',
  ],
  [
    'CONTINUATION without end',
    [
      headers(1, usualFields(), endStream),
      ...Array.from({ length: 6 }, () => frame(frameType.continuation, 0, 1, block([['x', 'y'.repeat(16_000)]]))),
    ],
    'continuation-flood',
  ],
];

for (const [what, sent, reason] of floods) {
  t.test(what, async (t) => {
    const { client, faults } = await openFront(t);
    const one = await client();
    one.send(...sent);
    t.equal(await one.until(/^goaway/), `goaway ENHANCE_YOUR_CALM ${reason}`);
    await one.until('closed');
    t.strictSame(faults, [reason], 'counted once');
  });
}

t.test('what floods must not be taken for: a busy client', async (t) => {
  const { client, faults } = await openFront(t);
  const one = await client();
  const chunk = Array.from({ length: 50 }, () => data(1, 'x'.repeat(100), 0));
  one.send(open(1), ...chunk, ...Array.from({ length: 20 }, () => ping('abcdefgh')), data(1, ''));
  one.send(
    ...odd(500)
      .slice(1)
      .map((id) => headers(id)),
  );
  await one.until('end 999');
  t.strictSame(faults, []);
});

t.test('a header list beyond the limit is refused; the table is kept', async (t) => {
  const { client } = await openFront(t, { limits: { headerListBytes: 10_000 } });
  const one = await client();
  // One entry of 4,000 octets in the table, named a thousand times: 4 MB of fields in 5 KB.
  const entry = Buffer.concat([
    Buffer.from([0x40, 1]),
    Buffer.from('x'),
    Buffer.from([0x7f, 0xa1, 0x1e]),
    Buffer.alloc(4000, 'v'),
  ]);
  const bomb = Buffer.concat([block(usualFields()), entry, Buffer.alloc(1000, 0xbe)]);
  one.send(frame(frameType.headers, endHeaders | endStream, 1, bomb), headers(3));
  await one.until('status 1 431');
  t.ok(await one.until('status 3 200'));
});

t.test('more fields than the limit', async (t) => {
  const { client } = await openFront(t);
  const one = await client();
  one.send(headers(1, [...usualFields(), ...Array.from({ length: 129 }, (_, i) => [`x${i}`, 'y'] as const)]));
  t.ok(await one.until('status 1 431'));
});

t.test('a body beyond the limit, announced or not', async (t) => {
  const { client, heard } = await openFront(t, { limits: { bodyBytes: 10 } });
  const one = await client();
  one.send(headers(1, [...usualFields('POST'), ['content-length', '11']], endHeaders));
  await one.until('status 1 413');
  await one.until('reset 1 NONE');
  one.send(open(3), data(3, 'x'.repeat(11), 0));
  await one.until('status 3 413');
  t.strictSame(heard, ['lost too-large']);
});

t.test('more than the windows take', async (t) => {
  const held: Exchange[] = [];
  const { client, faults } = await openFront(t, {
    limits: { connectionWindowBytes: 1_000_000 },
    onExchange: (exchange) => void held.push(exchange),
  });
  const one = await client();
  const full = Array.from({ length: 4 }, () => data(1, 'x'.repeat(16_384), 0));
  one.send(open(1), ...full);
  t.ok((await one.settled()).includes('reset 1 FLOW_CONTROL'), 'of a stream: 65,536 of 65,535');
  const two = await client();
  const streams = odd(20);
  two.send(...streams.flatMap((id) => [open(id), ...full.map(() => data(id, 'x'.repeat(16_000), 0))]));
  t.match(await two.until(/^goaway/), /FLOW_CONTROL/, 'of the connection');
  t.ok(faults.length === 1);
});

t.test('a body that nobody reads is not taken beyond its window, and stops no other stream', async (t) => {
  const held: Exchange[] = [];
  const { client } = await openFront(t, {
    onExchange(exchange) {
      if (exchange.request.matchPath === '/held') {
        exchange.handle({
          onRequestBody: () => undefined,
          onRequestEnd: () => undefined,
          onClientWritable: () => undefined,
          onClientLost: () => undefined,
        });
        held.push(exchange);
      } else exchange.respond({ status: 200, fields: [], contentType: 'text/plain', body: 'ok' });
    },
  });
  const one = await client();
  const block = Array.from({ length: 4 }, () => data(1, 'x'.repeat(16_000), 0));
  one.send(headers(1, usualFields('POST', '/held'), endHeaders), ...block, headers(3));
  await one.until('end 3');
  t.notOk(
    (await one.settled()).some((event) => event.startsWith('window 1')),
    'no more is asked for',
  );
  held[0]?.resumeBody();
  t.match(await one.until(/^window 1/), /window 1 \d+/, 'when it is read, more is');
});

t.test('answers that a client leaves lying end its connection', async (t) => {
  const { client } = await openFront(t, {
    limits: { heldBytes: 1_000_000 },
    onExchange(exchange) {
      exchange.respond({ status: 200, fields: [], contentType: 'text/plain', body: 'x'.repeat(300_000) });
    },
  });
  const one = await client();
  one.send(settings([setting.initialWindowSize, 0]), ...[1, 3, 5, 7].map((id) => headers(id)));
  t.equal(await one.until(/^goaway/), 'goaway ENHANCE_YOUR_CALM held-answers');
});

t.test('a client that opens its window octet by octet is reset as one that stalls', async (t) => {
  const lost: string[] = [];
  const { client } = await openFront(t, {
    timeouts: { sendMs: 300 },
    onExchange(exchange) {
      exchange.handle({
        onRequestBody: () => undefined,
        onRequestEnd: () => undefined,
        onClientWritable: () => undefined,
        onClientLost: (loss) => lost.push(loss),
      });
      exchange.respond({ status: 200, fields: [], contentType: 'text/plain', body: 'x'.repeat(5000) });
    },
  });
  const one = await client();
  one.send(settings([setting.initialWindowSize, 1]), headers(1));
  await one.until('status 1 200');
  const drip = setInterval(() => one.send(frame(frameType.windowUpdate, 0, 1, number(1))), 20);
  t.teardown(() => clearInterval(drip));
  await one.until('reset 1 CANCEL');
  clearInterval(drip);
  t.ok((one.bodies.get(1) ?? 0) > 1, 'it got some');
});

t.test('waits have an end: preface, header block, body, idleness', async (t) => {
  const { client, heard } = await openFront(t, {
    timeouts: { headerMs: 100, bodyMs: 100, idleMs: 100, lingerMs: 100 },
  });
  const silent = await client(false);
  await silent.until('closed');
  const amid = await client();
  amid.send(headers(1, usualFields(), endStream));
  t.equal(await amid.until(/^goaway/), 'goaway ENHANCE_YOUR_CALM timeout');
  const slow = await client();
  slow.send(open(1), data(1, 'x', 0));
  await slow.until('status 1 408');
  await slow.until('closed');
  t.ok(slow.events.includes('goaway NONE'));
  t.strictSame(heard, ['lost timeout']);
});

t.test('what a client sends behind its answer is thrown away, to a limit', async (t) => {
  const { client } = await openFront(t, {
    onExchange: (exchange) => exchange.respond({ status: 200, fields: [], contentType: 'text/plain', body: 'early' }),
  });
  const one = await client();
  one.send(open(1), ...Array.from({ length: 3 }, () => data(1, 'x'.repeat(16_000), 0)), data(1, ''));
  t.notOk((await one.settled()).some((event) => event.startsWith('reset')));
  one.send(open(3));
  for (let sent = 0; sent < 1_200_000; sent += 32_000) {
    one.send(data(3, 'x'.repeat(16_000), 0), data(3, 'x'.repeat(16_000), 0));
    await one.settled();
  }
  t.ok(one.events.includes('reset 3 NONE'));
  one.send(headers(5));
  await one.until('end 5');
});

t.test('streams of one connection do not mix', async (t) => {
  const { client } = await openFront(t);
  const one = await client(false);
  one.send(preface, settings(), acknowledgement);
  one.send(...odd(50).map((id) => headers(id, usualFields('GET', `/${id}`))));
  await one.until('end 99');
  for (const id of odd(50)) t.ok(one.events.includes(`data ${id} GET /${id}`));
});

t.test('all connections together keep no more than a limit: who keeps most goes', async (t) => {
  const { front, client, faults } = await openFront(t, {
    limits: { totalHeldBytes: 1_000_000 },
    onExchange(exchange) {
      const size = Number(exchange.request.matchPath.slice(1));
      exchange.respond({ status: 200, fields: [], contentType: 'text/plain', body: 'x'.repeat(size) });
    },
  });
  const closedWindow = settings([setting.initialWindowSize, 0]);
  const small = await client();
  small.send(closedWindow, headers(1, usualFields('GET', '/300000')));
  await small.until('status 1 200');
  const large = await client();
  large.send(closedWindow, headers(1, usualFields('GET', '/600000')));
  await large.until('status 1 200');
  t.equal(front.heldBytes, 900_000);
  const last = await client();
  last.send(closedWindow, headers(1, usualFields('GET', '/200000')));
  t.equal(await large.until(/^goaway/), 'goaway ENHANCE_YOUR_CALM memory');
  await last.until('status 1 200');
  t.equal(front.heldBytes, 500_000, 'of the other two');
  t.strictSame(faults, ['memory']);
  small.send(settings([setting.initialWindowSize, 400_000]), frame(frameType.windowUpdate, 0, 0, number(400_000)));
  await small.until('end 1');
  t.equal(front.heldBytes, 200_000);
});

t.test('bodies that nobody reads count too, and are let go of', async (t) => {
  const held: Exchange[] = [];
  const { front, client, faults } = await openFront(t, {
    limits: { totalHeldBytes: 100_000 },
    onExchange: (exchange) => void held.push(exchange),
  });
  const one = await client();
  const parts = Array.from({ length: 4 }, () => data(1, 'x'.repeat(15_000), 0));
  one.send(open(1), ...parts);
  await one.settled();
  t.equal(front.heldBytes, 60_000);
  const two = await client();
  two.send(open(1), ...parts.slice(1));
  await one.until('goaway ENHANCE_YOUR_CALM memory');
  t.equal(front.heldBytes, 45_000);
  t.strictSame(faults, ['memory']);
  two.send(reset(1));
  await two.settled();
  t.equal(front.heldBytes, 0);
});

t.test('a client that does not acknowledge our SETTINGS is left', async (t) => {
  const { client, faults } = await openFront(t, { limits: { settingsMs: 100 } });
  const one = await client(false);
  one.send(preface, settings(), headers(1));
  t.equal(await one.until(/^goaway/), 'goaway SETTINGS_TIMEOUT settings-timeout');
  await one.until('closed');
  t.ok(one.events.includes('end 1'), 'what it asked before was answered');
  t.strictSame(faults, ['settings-timeout']);
  const two = await client();
  two.send(headers(1));
  await two.until('end 1');
});

for (const [what, priority, third] of [
  ['a client that is silent about priorities: by turns, so that a large answer holds up no small one', '', 5],
  ['a client that names them and wants no parts: one after another', 'u=3', 1],
] as const) {
  t.test(what, async (t) => {
    const { client } = await openFront(t, {
      onExchange(exchange) {
        const body = 'x'.repeat(Number(exchange.request.matchPath.slice(1)));
        exchange.respond({ status: 200, fields: [], contentType: 'text/plain', body });
      },
    });
    const one = await client();
    const asked = (stream: number, size: number): Buffer =>
      headers(stream, [
        ...usualFields('GET', `/${size}`),
        ...(priority === '' ? [] : [['priority', priority] as const]),
      ]);
    one.send(settings([setting.initialWindowSize, 0]), asked(1, 100_000), asked(3, 100_000), asked(5, 1000));
    await one.settled();
    one.send(frame(frameType.windowUpdate, 0, 0, number(400_000)), settings([setting.initialWindowSize, 200_000]));
    for (const stream of [1, 3, 5]) await one.until(`end ${stream}`);
    t.equal(one.order[2], third, one.order.join());
  });
}
