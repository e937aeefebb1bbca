// The key that somebody meant.

import t from 'tap';
import { nearestKey } from '../../../src/daemon/config/nearest-key.ts';

const known = ['listen', 'domain', 'upstreams', 'marathonLb', 'ttl', 'http', 'https', 'timeouts'];

t.test('the nearest key, where one is near', async (t) => {
  const table: readonly [string, string | null][] = [
    ['listn', 'listen'],
    ['lsiten', 'listen'],
    ['Listen', 'listen'],
    ['marathonLB', 'marathonLb'],
    ['upstream', 'upstreams'],
    ['timeout', 'timeouts'],
    ['htps', 'https'],
    ['tll', 'ttl'],
    ['zookeeper', null],
    ['x', null],
    ['', null],
  ];
  for (const [written, meant] of table) t.equal(nearestKey(written, known), meant, written);
  t.equal(nearestKey('abc', []), null);
});
