// Credentials of the configuration are in no answer of the admin API and in no line of the log, whether they are taken or refused.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { eventually, startCluster } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(120_000);

const paths = ['/', '/live', '/ready', '/metrics'];
const tables = ['status', 'tasks', 'listeners', 'diagnostics', 'routes', 'vips', 'zone', 'certs', 'backends', 'config'];

t.test('passwords and tokens of sources and of the store', async (t) => {
  const test = await startCluster();
  t.teardown(() => test.close());
  test.masters.faults(0).auth = { user: 'edge', password: 'pa-ss-one' };
  const file = (name: string, text: string): string => {
    const path = join(t.testdirName, name);
    writeFileSync(path, text, { mode: 0o600 });
    return `file:${path}`;
  };
  t.testdir();
  const daemon = await startDaemon(`
cluster:
  - mesos: { masters: ["${test.masters.url(0)}"], auth: { basic: { user: edge, password: "${file('one', 'pa-ss-one')}" } } }
  - marathon: { urls: ["${test.marathon.url}"], name: marathon, auth: { token: "${file('two', 'to-ken-two')}" } }
store: { etcd: { endpoints: ["http://127.0.0.1:9"], auth: { basic: { user: edge, password: "${file('three', 'pa-ss-three')}" } } } }
admin: { listen: "127.0.0.1:0", token: "${file('four', 'to-ken-four')}" }
dns: { listen: ["127.0.0.1:0"], upstreams: ["127.0.0.1:9"] }
vips: { plane: user, range: "127.201.0.0/24", ipv6: false }
router: { http: ["127.0.0.1:0"] }
workers: 0
log: { level: debug }
`);
  const said = async (): Promise<string> => {
    const texts = await Promise.all(
      [...paths, ...tables.map((name) => `/v1/${name}`)].map((path) => daemon.get(path).catch(String)),
    );
    return `${texts.join('\n')}\n${JSON.stringify(daemon.log)}`;
  };
  await eventually('the source is told', 20_000, said, (text) => /"mesos"/.test(text));
  test.masters.faults(0).auth = { user: 'edge', password: 'another' };
  test.masters.disturb(0, 'reset');
  const all = await eventually('a refusal', 30_000, said, (text) => /401/.test(text));
  for (const secret of ['pa-ss-one', 'to-ken-two', 'pa-ss-three', 'to-ken-four']) {
    t.notOk(all.includes(secret), `${secret} as it is`);
    t.notOk(all.includes(Buffer.from(`edge:${secret}`).toString('base64')), `${secret} as a header`);
  }
  t.equal(await daemon.stop(), 0);
});
