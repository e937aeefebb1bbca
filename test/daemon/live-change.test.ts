// Which changes of the configuration running processes take.

import t from 'tap';
import { parseConfig, type Config } from '../../src/daemon/config/index.ts';
import { liveChange } from '../../src/daemon/live-change.ts';

const base = `
cluster: [{ mesos: { masters: ["http://10.0.0.11:5050"] } }]
socks: { listen: ["127.0.0.1:1080"], rules: [{ allow: { to: [cluster] }, via: up }] }
httpProxy: { listen: ["127.0.0.1:3128"], rules: [] }
forwards: [{ listen: "127.0.0.1:1521", to: "db.corp.example:1521", from: [10.0.0.0/8] }]
parents: { up: ["http://ann:secret@px1.corp.example:8080"] }
workers: 2
`;

function config(text: string): Config {
  const { config, problems } = parseConfig(text, '/tmp/isthmus.yaml');
  if (config === null) throw new Error(JSON.stringify(problems));
  return config;
}

const changed = (from: string, to: string): Config => {
  if (!base.includes(from)) throw new Error(from);
  return config(base.replace(from, to));
};

t.test('taken in place', async (t) => {
  const former = config(base);
  const cases: readonly (readonly [string, string])[] = [
    ['to: [cluster]', 'to: [external]'],
    ['rules: [] }', 'rules: [], limits: { connections: 7 } }'],
    ['rules: [] }', 'rules: [], pac: false }'],
    ['to: "db.corp.example:1521"', 'to: ["db2.corp.example:1521", "vip:/db:1521"]'],
    ['from: [10.0.0.0/8]', 'from: any'],
    ['ann:secret', 'ann:other'],
    ['px1.corp', 'px2.corp'],
  ];
  for (const [from, to] of cases) t.ok(liveChange(former, changed(from, to)), to);
  t.equal(liveChange(former, changed('ann:secret', 'ann:other'))?.parents['up']?.[0]?.password, 'other');
});

t.test('a new generation', async (t) => {
  const former = config(base);
  t.equal(liveChange(former, config(base)), null, 'nothing differs: files are to be read again');
  const cases: readonly (readonly [string, string])[] = [
    ['127.0.0.1:1080', '127.0.0.1:1081'],
    ['["127.0.0.1:3128"]', '["127.0.0.1:3128", "127.0.0.2:3128"]'],
    ['127.0.0.1:1521', '127.0.0.1:1522'],
    ['to: "db.corp.example:1521"', 'to: "app:/db:sql"'],
    ['workers: 2', 'workers: 3'],
    ['10.0.0.11', '10.0.0.12'],
    ['workers: 2', 'workers: 2\nlog: { level: debug }'],
  ];
  for (const [from, to] of cases) t.equal(liveChange(former, changed(from, to)), null, to);
});
