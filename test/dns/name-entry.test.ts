// Records that a worker keeps as text come back as they were, whatever their names hold.

import t from 'tap';
import { NameEntry, type OwnZone } from '../../dns/name-entry.ts';
import { keyOfName } from '../../dns/wire/index.ts';
import type { ZoneRr } from '../../dns/zone/index.ts';

const zone: OwnZone = { apex: keyOfName('mesos.') ?? '', isMesos: true, isSparse: false, serial: 0, denialSoa: null };
const entryOf = (name: string): NameEntry => new NameEntry(keyOfName(name) ?? '', zone);

const rrs: readonly ZoneRr[] = [
  { type: 'A', ttl: 60, address: '10.0.0.1' },
  { type: 'AAAA', ttl: 5, address: 'fd00::1' },
  { type: 'CNAME', ttl: 5, target: 'web.mesos.' },
  { type: 'NS', ttl: 3600, target: 'ns.mesos.' },
  { type: 'PTR', ttl: 60, target: 'web.marathon.mesos.' },
  { type: 'PTR', ttl: 60, target: 'a\\ blank.mesos.' },
  { type: 'SRV', ttl: 60, priority: 0, weight: 1, port: 31_000, target: 'web-x-s0.marathon.mesos.' },
  { type: 'SRV', ttl: 60, priority: 1, weight: 0, port: 1, target: 'a\\ blank.mesos.' },
  { type: 'TXT', ttl: 60, texts: ['one two', 'a\nline', '{'] },
];

t.test('each record alone, and all together', async (t) => {
  for (const some of [...rrs.map((rr) => [rr]), rrs]) {
    const entry = entryOf('web.mesos.');
    entry.hold({ name: 'web.mesos.', rrs: some });
    t.same(entry.record, { name: 'web.mesos.', rrs: some });
    const same = entryOf('other.mesos.');
    same.hold({ name: 'other.mesos.', rrs: some });
    t.equal(same.text, entry.text, 'equal records, equal text');
  }
});

t.test('nothing is nothing', async (t) => {
  const entry = entryOf('web.mesos.');
  entry.hold({ name: 'web.mesos.', rrs });
  entry.hold(null);
  t.equal(entry.record, null);
  t.notOk(entry.hasRecord);
});
