// Which of the machine's DNS servers can be asked.

import t from 'tap';
import { join } from 'node:path';
import { systemResolvers } from '../../src/daemon/system-resolvers.ts';

t.test('servers elsewhere, in order, each once', async (t) => {
  const dir = t.testdir({
    'resolv.conf': `# nameserver 192.0.2.9
search example.com
nameserver 127.0.0.53
nameserver 198.51.100.1
  nameserver 192.0.2.2
nameserver 2001:db8::53
nameserver 192.0.2.2
nameserver fe80::1%eth0
options timeout:1
`,
  });
  t.strictSame(systemResolvers(join(dir, 'resolv.conf'), ['198.51.100.1']), ['192.0.2.2', '2001:db8::53']);
  t.strictSame(systemResolvers(join(dir, 'absent')), []);
});
