// CNAMEs of zones that configuration brings, followed through our own zones.

import t from 'tap';
import { textOf, type ZoneRecord, type ZoneRr } from '../../dns/index.ts';
import { askZone } from './questions.ts';
import { liveZone, sampleMasters } from './samples.ts';

const apex: ZoneRr[] = [
  {
    type: 'SOA',
    ttl: 5,
    mname: 'ns.spartan.',
    rname: 'support.mesosphere.com.',
    serial: 1,
    refresh: 60,
    retry: 180,
    expire: 86_400,
    minimum: 1,
  },
];
const alias = (label: string, target: string): ZoneRecord => ({
  name: `${label}.component.thisdcos.directory.`,
  rrs: [{ type: 'CNAME', ttl: 5, target }],
});

function zoneWith(...records: readonly ZoneRecord[]): ReturnType<typeof askZone> {
  const zone = liveZone({}, { type: 'masters', masters: sampleMasters });
  const set = [{ name: 'component.thisdcos.directory.', rrs: apex }, ...records];
  void zone.plane.apply({ set: set.map(({ name, rrs }) => [name, textOf(rrs)]), removed: [] }, zone.view.table);
  return askZone(zone.index);
}

t.test('aliases come first, in the order of the chain, then the data of another zone', (t) => {
  const { ask } = zoneWith(
    alias('a', 'B.component.thisdcos.directory.'),
    alias('b', 'master.mesos.thisdcos.directory.'),
  );
  const reply = ask('a.component.thisdcos.directory', 'A', { edns: 1232 });
  t.same(reply.answers, [
    'a.component.thisdcos.directory CNAME B.component.thisdcos.directory',
    'B.component.thisdcos.directory CNAME master.mesos.thisdcos.directory',
    'master.mesos.thisdcos.directory A 10.0.0.1',
    'master.mesos.thisdcos.directory A 10.0.0.2',
  ]);
  t.ok(reply.aa);
  t.equal(reply.opt?.udpPayloadSize, 1232);
  t.end();
});

t.test('a target that no zone of ours holds is the end of the chain', (t) => {
  const { ask } = zoneWith(alias('a', 'www.example.'));
  const reply = ask('a.component.thisdcos.directory', 'A');
  t.equal(reply.rcode, 'NOERROR');
  t.same(reply.answers, ['a.component.thisdcos.directory CNAME www.example']);
  t.end();
});

t.test('the alias itself can be asked for', (t) => {
  const { ask } = zoneWith(alias('a', 'leader.mesos.'));
  t.same(ask('a.component.thisdcos.directory', 'CNAME').answers, ['a.component.thisdcos.directory CNAME leader.mesos']);
  t.end();
});

t.test('a loop is SERVFAIL', (t) => {
  const { ask } = zoneWith(
    alias('a', 'b.component.thisdcos.directory.'),
    alias('b', 'a.component.thisdcos.directory.'),
  );
  t.equal(ask('a.component.thisdcos.directory', 'A').rcode, 'SERVFAIL');
  t.end();
});

t.test('names beside are denied by the zone, names of no zone refused', (t) => {
  const { ask } = zoneWith();
  t.equal(ask('nosuch.component.thisdcos.directory', 'A').rcode, 'NXDOMAIN');
  t.equal(ask('nosuch.other.thisdcos.directory', 'A').rcode, 'REFUSED');
  t.end();
});
