// dcos-net's REST API for names, path by path (specs/dns.md §6.11).

import t from 'tap';
import { copyOf, dcosNameReply, type DcosReplySource } from '../../dns/index.ts';
import { liveZone, putTask, sampleMasters, workedExample } from './samples.ts';

const { view } = liveZone({}, { type: 'masters', masters: sampleMasters }, putTask(workedExample()));
const source: DcosReplySource = { table: view.table, version: '0.1.0', copy: copyOf('mesos') };
const body = (path: string): unknown => dcosNameReply(path, source)?.body;

t.test('version, and what the reference never had', async (t) => {
  t.strictSame(body('/v1/version'), { Service: 'dcos-dns', Version: '0.1.0' });
  t.equal(dcosNameReply('/v1/config', source)?.status, 501);
  t.equal(dcosNameReply('/v1/enumerate', source)?.status, 501);
  t.equal(dcosNameReply('/v1/axfr', source), null);
  t.equal(dcosNameReply('/v2/version', source), null);
});

t.test('hosts: addresses of internal zones alone', async (t) => {
  t.strictSame(body('/v1/hosts/ready.spartan'), [{ host: 'ready.spartan', ip: '127.0.0.1' }]);
  t.strictSame(body('/v1/hosts/app-sub-group.marathon.containerip.dcos.thisdcos.directory'), [
    { host: 'app-sub-group.marathon.containerip.dcos.thisdcos.directory', ip: '9.0.1.2' },
  ]);
  t.strictSame(body('/v1/hosts/leader.mesos.thisdcos.directory'), [
    { host: 'leader.mesos.thisdcos.directory', ip: '10.0.0.1' },
  ]);
  for (const none of ['foobar', 'leader.mesos', 'ready.spartan.', 'web..x', '%ff']) {
    const found = body(`/v1/hosts/${none}`);
    t.strictSame(found ?? [], [], none);
  }
});

t.test('services: ports are numbers, targets in the spelling asked', async (t) => {
  t.strictSame(body('/v1/services/_http._app-sub-group._tcp.marathon.mesos.thisdcos.directory'), [
    {
      service: '_http._app-sub-group._tcp.marathon.mesos.thisdcos.directory',
      host: 'app-sub-group-u3no4-s0.marathon.mesos.thisdcos.directory',
      port: 31000,
      ip: '9.0.1.2',
    },
  ]);
  t.strictSame(body('/v1/services/bazqux'), []);
});

t.test('records of all internal zones, the copy of Mesos-DNS among them', async (t) => {
  const listed = body('/v1/records') as { name: string; host: string; rtype: string }[];
  const has = (name: string, host: string, rtype: string): boolean =>
    listed.some((one) => one.name === name && one.host === host && one.rtype === rtype);
  t.ok(has('ready.spartan', '127.0.0.1', 'A'));
  t.ok(has('leader.mesos.thisdcos.directory', '10.0.0.1', 'A'));
  t.ok(has('_leader._tcp.mesos.thisdcos.directory', 'leader.mesos.thisdcos.directory:5050', 'SRV'));
  t.notOk(listed.some(({ name }) => name.endsWith('.mesos') || name.endsWith('.arpa')));
  t.strictSame([...new Set(listed.map(({ rtype }) => rtype))].sort(), ['A', 'SRV']);
});
