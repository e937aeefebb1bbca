// Addresses on which DNS listens.

import t from 'tap';
import { dnsAddresses } from '../../src/daemon/dns-listen.ts';

const listen = [
  { host: '127.0.0.1', port: 53 },
  { host: '10.0.0.1', port: 53 },
];
const own = ['127.0.0.1', '10.0.0.1', '172.17.0.1', '198.51.100.4', 'fe80::1', 'fd00::1'];

t.test('as configured', async (t) => {
  t.strictSame(dnsAddresses({ listen, bindAll: false, bindBlacklist: [] }, own), listen);
});

t.test('every address of the machine but those that are excepted', async (t) => {
  const hosts = dnsAddresses({ listen, bindAll: true, bindBlacklist: ['172.17.0.1'] }, own);
  t.strictSame(
    hosts.map(({ host, port }) => `${host} ${port}`),
    ['127.0.0.1 53', '10.0.0.1 53', 'fd00::1 53'],
  );
});
