// Which backends are checked by HTTP/2.

import t from 'tap';
import { versionOf } from '../../src/daemon/check-version.ts';

const http = { kind: 'http', secure: false } as const;

t.test('a port that requests go to by HTTP/2 is asked by it, and no other', async (t) => {
  t.same(versionOf('h2c', http), { http2: true });
  t.same(versionOf('h2', { ...http, secure: true }), { http2: true });
  t.same(versionOf('http', http), {});
  t.same(versionOf(undefined, http), {});
  t.same(versionOf('https', { ...http, secure: true }), {});
  t.same(versionOf('h2c', { ...http, kind: 'tcp' }), {});
  t.same(versionOf('h2c', { ...http, secure: true }), {}, 'a label has said how the check goes');
  t.same(versionOf('h2', http), {});
  t.same(versionOf('h2c', { ...http, port: 81 }), {});
  t.same(versionOf('h2c', { ...http, portIndex: 1 }), {});
});
