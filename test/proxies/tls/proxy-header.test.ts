// The PROXY header as it comes in: every spelling, cut at every byte, and what is none.

import t from 'tap';
import { proxyHeader } from '../../../lb/index.ts';
import { parseProxyHeader } from '../../../proxies/tls/index.ts';

const line = (text: string): Buffer => Buffer.from(text, 'latin1');
const caller = { clientIp: '192.0.2.7', clientPort: 4711, ownIp: '198.51.100.1', ownPort: 80 };
const caller6 = { ...caller, clientIp: '2001:db8::7', ownIp: '2001:db8::1' };

t.test('what we write ourselves, byte by byte', (t) => {
  for (const version of ['v1', 'v2'] as const) {
    for (const each of [caller, caller6]) {
      const header = proxyHeader(version, each);
      const all = Buffer.concat([header, line('PROXY payload')]);
      for (let length = 0; length < header.length; length++)
        t.equal(parseProxyHeader(all.subarray(0, length)), 'more', `${version} ${length}`);
      const addresses = { address: each.clientIp, port: 4711, localAddress: each.ownIp, localPort: 80 };
      t.strictSame(parseProxyHeader(all), { length: header.length, addresses }, version);
    }
  }
  t.end();
});

t.test('peers that speak for themselves', (t) => {
  t.strictSame(parseProxyHeader(line('PROXY UNKNOWN\r\n')), { length: 15, addresses: null });
  t.strictSame(parseProxyHeader(line('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\nx')), { length: 35, addresses: null });
  const local = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');
  t.strictSame(parseProxyHeader(local), { length: 16, addresses: null });
  const unix = Buffer.from('0d0a0d0a000d0a515549540a21310004aaaaaaaa', 'hex');
  t.strictSame(parseProxyHeader(unix), { length: 20, addresses: null });
  t.strictSame(parseProxyHeader(line('PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n')), {
    length: 36,
    addresses: { address: '10.0.0.1', port: 1, localAddress: '::1', localPort: 2 },
  });
  t.end();
});

t.test('what is none', (t) => {
  for (const text of [
    'GET / HTTP/1.1\r\n',
    'PROXY\r\n',
    'PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 99999 2\r\n',
    'PROXY TCP4 1.2.3.4 x 1 2\r\n',
    'PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n',
    `PROXY UNKNOWN ${'x'.repeat(100)}`,
    'proxy UNKNOWN\r\n',
    'PRX',
  ])
    t.equal(parseProxyHeader(line(text)), 'bad', text);
  t.equal(parseProxyHeader(Buffer.from('0d0a0d0a000d0a515549540a11110000', 'hex')), 'bad', 'version 1 in the block');
  t.equal(parseProxyHeader(Buffer.from('0d0a0d0a000d0a515549540a2111ffff', 'hex')), 'bad', 'too long');
  t.end();
});
