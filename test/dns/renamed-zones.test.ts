// Other spellings of our zones: old suffixes, the cluster's outside name, dcos-net's copy of Mesos-DNS's zone.

import t from 'tap';
import dnsPacket from 'dns-packet';
import { createZonePlane } from '../../dns/zone-plane.ts';
import { askZone } from './questions.ts';
import { liveZone, putTask, sampleMasters, samplePort, sampleTask, workedExample } from './samples.ts';

const vipTask = sampleTask({ name: 'app', ports: [samplePort({ vips: ['/app:80'] })] });
const { index } = liveZone(
  {},
  putTask(workedExample()),
  putTask(vipTask),
  { type: 'allocated', name: 'app.marathon', allocation: { ip4: '11.0.0.9', ip6: null } },
  { type: 'masters', masters: sampleMasters },
);
const { ask } = askZone(index);

t.test('old suffixes', async (t) => {
  const suffixes = [
    'dclb.thisdcos.directory',
    'dclb.thisdcos.global',
    'l4lb.thisdcos.global',
    'l4lb.c3zs6aubqe.dcos.directory',
  ];
  for (const suffix of suffixes) {
    const reply = ask(`app.marathon.${suffix}`, 'A');
    t.match(reply, { rcode: 'NOERROR', aa: true, ra: false, answers: [`app.marathon.${suffix} A 11.0.0.9`] }, suffix);
    const missing = ask(`none.marathon.${suffix}`, 'A');
    t.match(
      missing,
      { rcode: 'NXDOMAIN', authorities: [new RegExp(`^${suffix} SOA ns.spartan support.mesosphere.com`)] },
      suffix,
    );
  }
});

t.test('the outside name', async (t) => {
  const name = 'app-sub-group.marathon.agentip.dcos.C3zs6aubqe.dcos.directory';
  t.strictSame(ask(name, 'A').answers, [`${name} A 10.0.0.7`]);
  t.equal(ask('x.other.dcos.directory', 'A').rcode, 'REFUSED', 'another cluster is not ours');
  t.equal(ask('c3zs6aubqe.dcos.directory', 'A').rcode, 'REFUSED', 'no zone is there');
});

t.test('the copy of Mesos-DNS’s zone', async (t) => {
  const zone = 'mesos.thisdcos.directory';
  const reply = ask(`_app-sub-group._tcp.marathon.${zone}`, 'SRV', { edns: 1232 });
  t.strictSame(reply.answers, [
    `_app-sub-group._tcp.marathon.${zone} SRV 31000 app-sub-group-u3no4-s0.marathon.${zone}`,
  ]);
  t.strictSame(reply.additionals, [`app-sub-group-u3no4-s0.marathon.${zone} A 9.0.1.2`]);
  t.match(dnsPacket.decode(reply.bytes), { answers: [{ ttl: 5, data: { priority: 1, weight: 1 } }] });
  t.strictSame(ask(`master.${zone}`, 'A').answers.length, 2);
  t.match(ask(`none.${zone}`, 'A'), {
    rcode: 'NXDOMAIN',
    authorities: [/^mesos\.thisdcos\.directory SOA ns\.spartan/],
  });
  t.match(ask(zone, 'SOA'), { answers: [/^mesos\.thisdcos\.directory SOA ns\.spartan/] });
  t.match(ask(`marathon.${zone}`, 'A'), { rcode: 'NOERROR', answers: [] });
});

t.test('nothing is denied before a first table', async (t) => {
  const cell = { value: 0 };
  const plane = createZonePlane({
    domain: 'mesos',
    negativeTtlSeconds: 5,
    now: () => 0,
    zoneNames: cell,
    compiledNames: cell,
  });
  t.equal(askZone(plane.index).ask('app.marathon.dclb.thisdcos.directory', 'A').rcode, 'SERVFAIL');
});
