// What control holds of a worker's report while that changes.

import t from 'tap';
import { HeldReport } from '../../src/daemon/held-report.ts';

t.test('listeners follow what is told, in the order of their names', async (t) => {
  const held = new HeldReport({
    type: 'report',
    edition: 1,
    listeners: { 'vips.user': { 'tcp b:80': '127.0.0.2:80', 'tcp c:80': '127.0.0.3:80' } },
    problems: [],
    serving: ['vips'],
  });
  held.take({
    type: 'reportChange',
    edition: 2,
    listeners: {
      'vips.user': { set: [['tcp a:80', '127.0.0.1:80']], removed: ['tcp b:80'] },
      'router.service': { set: [['10000', '0.0.0.0:10000']], removed: [] },
    },
    problems: ['vips: no'],
    serving: ['vips', 'router'],
  });
  t.strictSame(held.listeners, {
    'vips.user': { 'tcp a:80': '127.0.0.1:80', 'tcp c:80': '127.0.0.3:80' },
    'router.service': { '10000': '0.0.0.0:10000' },
  });
  t.same(Object.keys(held.listeners['vips.user'] ?? {}), ['tcp a:80', 'tcp c:80']);
  t.match(held, { edition: 2, problems: ['vips: no'], serving: ['vips', 'router'] });
});
