// Addresses, networks, ranges and URLs of the configuration.

import fc from 'fast-check';
import t from 'tap';
import { parseCidr } from '../../../src/daemon/config/cidr.ts';
import { parseForwardTarget } from '../../../src/daemon/config/forwards-section.ts';
import { parseEndpoint, parseListenAddress, parseNameserver } from '../../../src/daemon/config/host-port.ts';
import { formatIp, parseIp } from '../../../src/daemon/config/ip-number.ts';
import { parseIpRange } from '../../../src/daemon/config/ip-range.ts';
import { parseHttpUrl, parseParentUrl, parseZooKeeperUrl } from '../../../src/daemon/config/url.ts';

t.test('addresses to listen on', async (t) => {
  t.strictSame(parseListenAddress('127.0.0.1:53'), { host: '127.0.0.1', port: 53 });
  t.strictSame(parseListenAddress('[::1]:0'), { host: '::1', port: 0 });
  t.strictSame(parseListenAddress('[0:0:0:0:0:0:0:0]:80'), { host: '::', port: 80 }, 'one spelling');
  t.strictSame(parseListenAddress('localhost:80'), { host: '127.0.0.1', port: 80 });
  t.match(parseListenAddress(':80'), { wrong: /names no address/, remedy: /0\.0\.0\.0:80 or \[::\]:80/ });
  t.match(parseListenAddress('*:80'), { remedy: /0\.0\.0\.0:80/ });
  for (const bad of [
    '80',
    '127.0.0.1',
    '127.0.0.1:65536',
    '::1:53',
    '[127.0.0.1]:53',
    '127.1:53',
    'host.example:53',
    '[::1]',
    '',
  ]) {
    t.match(parseListenAddress(bad), { wrong: String, remedy: /IP:PORT/ }, bad);
  }
});

t.test('addresses to call', async (t) => {
  t.strictSame(parseEndpoint('DB.example:5432'), { host: 'db.example', port: 5432 });
  t.strictSame(parseEndpoint('[fd00::0001]:1'), { host: 'fd00::1', port: 1 });
  for (const bad of ['db:0', 'db', 'a b:1', '127.1:80', '0x7f000001:80', 'x..y:1', '-a:1', `${'a'.repeat(64)}:1`]) {
    t.match(parseEndpoint(bad), { wrong: String }, bad);
  }
});

t.test('name servers, with the port of DNS where none is written', async (t) => {
  t.strictSame(parseNameserver('10.0.0.2'), { host: '10.0.0.2', port: 53 });
  t.strictSame(parseNameserver('2001:0db8:3c4d:0015:0000:0000:1a2f:1a2b'), {
    host: '2001:db8:3c4d:15::1a2f:1a2b',
    port: 53,
  });
  t.strictSame(parseNameserver('[2001:db8::1]:55'), { host: '2001:db8::1', port: 55 });
  for (const bad of ['', 'a', '1.2.3.4.5', '5.6.7.8:-1', 'ns.example', '1', '1.2.3.4:0'])
    t.match(parseNameserver(bad), { wrong: String }, bad);
});

t.test('networks', async (t) => {
  t.equal(parseCidr('10.0.0.0/8'), '10.0.0.0/8');
  t.equal(parseCidr('10.1.2.3'), '10.1.2.3/32');
  t.equal(parseCidr('FD00:0::/8'), 'fd00::/8');
  t.equal(parseCidr('0.0.0.0/0'), '0.0.0.0/0');
  t.match(parseCidr('10.0.0.1/8'), { wrong: /bits beyond its prefix/, remedy: /write 10\.0\.0\.0\/8/ });
  t.match(parseCidr('10.0.0.0/33'), { wrong: /more than 32 bits/ });
  for (const bad of ['', '/8', '10.0.0/8', '10.0.0.0/', 'any', '10.0.0.0/8/8'])
    t.match(parseCidr(bad), { wrong: /is no network/ }, bad);
});

t.test('ranges', async (t) => {
  t.strictSame(parseIpRange('11.0.0.0-11.255.255.255', 4), { first: '11.0.0.0', last: '11.255.255.255' });
  t.strictSame(
    parseIpRange('11.0.0.0/8', 4),
    { first: '11.0.0.0', last: '11.255.255.255' },
    'a CIDR is the whole block',
  );
  t.strictSame(parseIpRange('fd01:c::/64', 6), { first: 'fd01:c::', last: 'fd01:c::ffff:ffff:ffff:ffff' });
  t.match(parseIpRange('11.0.0.5-11.0.0.5', 4), { wrong: /ends before it begins/ });
  t.match(parseIpRange('11.0.0.5-11.0.0.4', 4), { wrong: /ends before it begins/ });
  t.match(parseIpRange('fd01::/64', 4), { wrong: /is no IPv4 range/ });
  t.match(parseIpRange('10.0.0.0-fd01::', 4), { wrong: /is no IPv4 range/ });
  for (const bad of ['', '11.0.0.0', '-', '11.0.0.0-', '1.1.1.1-2.2.2.2-3.3.3.3'])
    t.match(parseIpRange(bad, 4), { wrong: /is no range/ }, bad);
});

t.test('an IP address that is written and read again is the same', async (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const ip = parseIp(text);
      return ip !== null && parseIp(formatIp(ip))?.value === ip.value;
    }),
  );
  t.equal(formatIp({ family: 6, value: 0n }), '::');
  t.equal(formatIp({ family: 6, value: 1n << 64n }), '0:0:0:1::', 'the longest gap is the one that is left out');
});

t.test('URLs', async (t) => {
  t.equal(parseHttpUrl('http://10.0.0.11:5050/'), 'http://10.0.0.11:5050');
  t.equal(parseHttpUrl('https://[FD00::11]:8443/marathon/'), 'https://[fd00::11]:8443/marathon');
  t.match(parseHttpUrl('http://u:p@h:1'), { wrong: /carries credentials/, remedy: /auth/ });
  for (const bad of ['10.0.0.11:5050', 'ftp://h', 'http://', 'http://h/?a=1', ''])
    t.match(parseHttpUrl(bad), { wrong: String }, bad);
});

t.test('parent proxies', async (t) => {
  t.strictSame(parseParentUrl('http://px1.corp:8080'), {
    scheme: 'http',
    host: 'px1.corp',
    port: 8080,
    user: null,
    password: null,
  });
  t.match(parseParentUrl('https://px'), { scheme: 'https', port: 443 });
  t.match(parseParentUrl('socks5://[fd00::1]'), { host: 'fd00::1', port: 1080 });
  const guarded = parseParentUrl('http://user:p%40ss@px:8080');
  t.match(guarded, { user: 'user' });
  t.equal('password' in guarded && guarded.password?.reveal(), 'p@ss');
  for (const bad of ['px:8080', 'ftp://px', 'http://px/path', 'http://127.1.2.3.4:80'])
    t.match(parseParentUrl(bad), { wrong: String }, bad);
});

t.test('ZooKeeper ensembles', async (t) => {
  t.match(parseZooKeeperUrl('zk://10.0.0.1:2181,zk.example/mesos/'), {
    servers: [
      { host: '10.0.0.1', port: 2181 },
      { host: 'zk.example', port: 2181 },
    ],
    path: '/mesos',
    user: null,
  });
  t.match(parseZooKeeperUrl('zk://u:p@h:1/m'), { user: 'u' });
  for (const bad of ['zk://h:2181', 'zk://h:2181/', 'http://h/mesos', 'zk://h:0/m', 'zk:///m'])
    t.match(parseZooKeeperUrl(bad), { wrong: String }, bad);
});

t.test('targets of forwards', async (t) => {
  t.strictSame(parseForwardTarget('db:1521'), { kind: 'address', host: 'db', port: 1521 });
  t.strictSame(parseForwardTarget('vip:/team/name:80'), { kind: 'vip', name: '/team/name', port: 80 });
  t.strictSame(parseForwardTarget('app:/team/web:http'), { kind: 'app', id: '/team/web', portName: 'http' });
  for (const bad of ['vip:/x:0', 'vip:/:80', 'app:/x:', 'app:x:http', 'vip:x:80x'])
    t.match(parseForwardTarget(bad), { wrong: String }, bad);
});
