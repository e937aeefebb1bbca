// Records that a worker keeps as text come back as they were, whatever their names hold.

import fc from 'fast-check';
import t from 'tap';
import { typesIn, type NameEntry, type OwnZone } from '../../dns/name-entry.ts';
import { NameStore } from '../../dns/name-store.ts';
import { keyOfName } from '../../dns/wire/index.ts';
import { textOf, type ZoneRr } from '../../dns/zone/index.ts';

const zone: OwnZone = { apex: keyOfName('mesos.') ?? '', isMesos: true, isSparse: false, serial: 0, denialSoa: null };
const store = new NameStore();
const idOf = (name: string): number => {
  const key = keyOfName(name) ?? '';
  const held = store.idOf(key);
  return held === 0 ? store.add(key, zone) : held;
};
const holding = (name: string, rrs: readonly ZoneRr[]): NameEntry => {
  store.setText(idOf(name), textOf(rrs), typesIn(textOf(rrs)));
  return store.entryOf(idOf(name));
};

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
    const entry = holding('web.mesos.', some);
    t.same(entry.record, { name: 'web.mesos.', rrs: some });
    t.equal(holding('other.mesos.', some).text, entry.text, 'equal records, equal text');
  }
});

t.test('lines that share their ends, and types that share a start', async (t) => {
  const targets = fc.array(fc.stringMatching(/^[ab.]{0,70}$/), { minLength: 1, maxLength: 5 });
  const kept = fc.property(targets, fc.boolean(), (names, isMixed) => {
    const srvs = names.map((name): ZoneRr => ({
      type: 'SRV',
      ttl: 5,
      priority: 0,
      weight: 1,
      port: 80,
      target: `${name}.`,
    }));
    const some: readonly ZoneRr[] = isMixed
      ? [{ type: 'A', ttl: 5, address: '10.0.0.1' }, { type: 'AAAA', ttl: 5, address: 'fd00::1' }, ...srvs]
      : srvs;
    const entry = holding('web.mesos.', some);
    const hasAll = entry.has(33) && entry.has(1) === isMixed && entry.has(28) === isMixed && !entry.has(12);
    return hasAll && JSON.stringify(entry.record?.rrs) === JSON.stringify(some);
  });
  t.doesNotThrow(() => fc.assert(kept, { seed: 5 }));
});

t.test('nothing is nothing', async (t) => {
  holding('web.mesos.', rrs);
  store.setText(idOf('web.mesos.'), '', 0);
  const entry = store.entryOf(idOf('web.mesos.'));
  t.equal(entry.record, null);
  t.notOk(entry.hasRecord);
});
