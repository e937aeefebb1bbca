// What the DNS server's names must be (specs/dns.md §4.6).

import t from 'tap';
import { judgeForwardZone, outerZone, parseDomain, parseSoaName } from '../../../src/daemon/config/dns-names.ts';

t.test('domains', async (t) => {
  for (const good of ['mesos', 'single-name', '1-awesome.domain.e', 'DC1.Mesos'])
    t.equal(parseDomain(good), good.toLowerCase());
  for (const bad of ['', '.', 'invalid.com.', '.mesos', 'a..b', '-a', 'a-', 'a b', 'ä', `${'a'.repeat(64)}.b`]) {
    t.match(parseDomain(bad), { wrong: /no domain/ }, bad);
  }
});

t.test('names of a SOA end in one dot, and may be written as an address', async (t) => {
  t.equal(parseSoaName('root@ns1.mesos'), 'root.ns1.mesos.');
  t.equal(parseSoaName('NS1.mesos..'), 'ns1.mesos.');
  t.match(parseSoaName('@'), { wrong: String });
});

t.test('forwarded zones lie beside our own domain', async (t) => {
  const judge = (zone: string): unknown => judgeForwardZone(zone, 'dc.mesos');
  t.equal(judge('weave'), null);
  t.match(judge(''), { wrong: /is no zone/ });
  t.match(judge('dc.mesos'), { wrong: /our own domain/ });
  t.match(judge('site.dc.mesos'), { wrong: /our own domain/ });
  t.match(judge('MESOS'), { wrong: /our own domain/ });
});

t.test('a zone lies inside another one by whole labels', async (t) => {
  t.equal(outerZone('A.corp', ['A.corp', 'Corp']), 'Corp');
  t.equal(outerZone('corp', ['a.corp', 'corp']), undefined);
  t.equal(outerZone('acorp', ['acorp', 'corp']), undefined);
});
