// Destinations: one canonical form, and nothing that a system resolver would read otherwise.

import fc from 'fast-check';
import t from 'tap';
import { canonicalIp, embeddedIPv4, parseDestination } from '../../../proxies/access/index.ts';

const ips: readonly (readonly [string, string])[] = [
  ['10.0.0.1', '10.0.0.1'],
  ['127.0.0.1.', '127.0.0.1'],
  ['::1', '::1'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['::', '::'],
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['::FFFF:7f00:1', '127.0.0.1'],
  ['::ffff:a00:1', '10.0.0.1'],
  ['fe80::1%eth0', 'fe80::1'],
];

t.test('addresses', (t) => {
  for (const [text, ip] of ips) t.strictSame(parseDestination(text), { kind: 'ip', ip }, text);
  t.end();
});

const names: readonly (readonly [string, string])[] = [
  ['LOCALHOST', 'localhost'],
  ['Db.Billing.marathon.mesos.', 'db.billing.marathon.mesos'],
  ['_http._tcp.web', '_http._tcp.web'],
  ['1.2.3.4.example', '1.2.3.4.example'],
  ['a'.repeat(63), 'a'.repeat(63)],
  ['0xcafe.example', '0xcafe.example'],
];

t.test('names', (t) => {
  for (const [text, name] of names) t.strictSame(parseDestination(text), { kind: 'name', name }, text);
  t.end();
});

const refused = [
  ...['', '.', '..', 'a..b', '.a', 'a'.repeat(64), `${'a.'.repeat(127)}a`, 'a'.repeat(255)],
  ...[
    '127.1',
    '127.0.1',
    '0x7f.1',
    '0x7f000001',
    '017700000001',
    '2130706433',
    '0177.0.0.1',
    '127.0.0.01',
    '1.2.3.4.5',
    '0x',
    '256.0.0.1',
  ],
  ...[
    'evil.example\0.mesos',
    'a b',
    'a\r\nb',
    'a/b',
    'a@b',
    'a%00',
    'a:80',
    '[::1]',
    'ä.example',
    '127.0.0.1\0',
    '1.2.3.4..',
    '::ffff:127.1',
    '*',
  ],
];

t.test('what is neither', (t) => {
  for (const text of refused) {
    const destination = parseDestination(text);
    t.ok('rejected' in destination, JSON.stringify(text));
    t.notOk(
      'rejected' in destination && text.length > 5 && destination.rejected.includes(text),
      'does not repeat the text',
    );
  }
  t.end();
});

t.test('is the same when done twice, and holds nothing but a host', (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.domain(), fc.ipV4(), fc.ipV6(), fc.ipV4Extended()), (text) => {
        const once = parseDestination(text);
        if ('rejected' in once) return true;
        const canonical = once.kind === 'ip' ? once.ip : once.name;
        const twice = parseDestination(canonical);
        return /^[a-z0-9._:-]+$/.test(canonical) && JSON.stringify(twice) === JSON.stringify(once);
      }),
    ),
  );
  t.end();
});

t.test('addresses of translators lead to IPv4', (t) => {
  t.strictSame(embeddedIPv4('64:ff9b::7f00:1'), ['127.0.0.1']);
  t.strictSame(embeddedIPv4('2002:7f00:1::'), ['127.0.0.1']);
  t.ok(embeddedIPv4('2001:0:a9fe:a9fe:0:0:80ff:fffe').includes('169.254.169.254'), 'the server of Teredo');
  t.ok(embeddedIPv4('2001:0:a9fe:a9fe:0:0:80ff:fffe').includes('127.0.0.1'), 'the client of Teredo');
  t.strictSame(embeddedIPv4('2001:db8::1'), []);
  t.equal(canonicalIp('10.0.0'), null);
  t.end();
});
