// Secrets: where they may come from, and that they never print.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import t from 'tap';
import { parseConfig, redacted, Secret } from '../../../src/daemon/config/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'isthmus-config-'));
t.teardown(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'token'), 'from-a-file\n');
writeFileSync(join(folder, 'empty'), '\n');

const admin = (token: string, env: Record<string, string> = {}): ReturnType<typeof parseConfig> =>
  parseConfig(
    `cluster: [{ mesos: { masters: ["http://a:1"] } }]\nadmin: { token: ${token} }\n`,
    join(folder, 'isthmus.yaml'),
    env,
  );

t.test('written out, from a file, from the environment', async (t) => {
  t.equal(admin('written').config?.admin?.token?.reveal(), 'written');
  t.equal(admin('"file:token"').config?.admin?.token?.reveal(), 'from-a-file', 'without the newline at its end');
  t.equal(admin(`"file:${folder}/token"`).config?.admin?.token?.reveal(), 'from-a-file');
  t.equal(
    admin('"${TOKEN}"', { TOKEN: 'from-the-environment' }).config?.admin?.token?.reveal(),
    'from-the-environment',
  );
  t.equal(admin('"a-${X}-b"', { X: '${TOKEN}' }).config?.admin?.token?.reveal(), 'a-${TOKEN}-b', 'filled in once');
  t.equal(admin('"$${TOKEN}"').config?.admin?.token?.reveal(), '${TOKEN}', 'escaped');
});

t.test('what is missing is a problem', async (t) => {
  const problem = (token: string): unknown => admin(token).problems;
  t.match(problem('"${TOKEN}"'), [
    { line: 2, path: 'admin.token', message: 'the environment variable TOKEN is not set' },
  ]);
  t.match(problem('"${toString}"'), [{ message: /toString is not set/ }]);
  t.match(problem('"${}"'), [{ message: /no name of a variable/ }]);
  t.match(problem('"file:nothing"'), [{ message: /names a file that does not exist \(looked for .*nothing\)/ }]);
  t.match(problem('"file:empty"'), [{ message: /empty file/ }]);
  t.match(problem('12345'), [{ message: 'is not text to YAML', remedy: 'put it in quotes' }]);
  t.match(problem('""'), [{ message: 'is empty' }]);
});

t.test('no way of printing shows one', async (t) => {
  const secret = new Secret('hunter2');
  const shown = [
    JSON.stringify({ secret }),
    inspect({ secret }, { showHidden: true, depth: 9 }),
    String(secret),
    Object.values(secret).join(),
  ];
  t.notMatch(shown.join('\n'), /hunter2/);
  t.equal(JSON.stringify(secret), '"[secret]"');
  t.equal(inspect(secret), '[secret]');
});

t.test('a configuration with secrets everywhere prints without them', async (t) => {
  const text = `cluster:
  - mesos: { zookeeper: "zk://u:hunter2@zk:2181/mesos", auth: { basic: { user: u, password: hunter2 } } }
parents: { dc: ["http://u:hunter2@px:8080"] }
certs: [{ directory: ., password: hunter2 }]
admin: { token: hunter2 }
`;
  const { config, problems } = parseConfig(text, join(folder, 'isthmus.yaml'), {});
  t.strictSame(problems, []);
  if (config === null) throw new Error('no config');
  const shown = [
    JSON.stringify(config),
    inspect(config, { depth: 12, showHidden: true }),
    JSON.stringify(redacted(config)),
  ];
  t.notMatch(shown.join('\n'), /hunter2/);
  t.match(redacted(config), { admin: { token: '[secret]' }, parents: { dc: [{ password: '[secret]' }] } });
  t.equal(config.parents['dc']?.[0]?.password?.reveal(), 'hunter2', 'whoever needs it gets it');
});

t.test('no problem shows one either', async (t) => {
  const text = `cluster:
  - mesos: { zookeeper: "zk://u:hunter2@zk/", masters: ["http://u:hunter2@a:1"], auth: { basic: { user: u, pasword: hunter2 } } }
parents: { dc: ["http://u:hunter2@px:8080/x", "\${PARENT}"] }
admin: { token: { value: hunter2 } }
user: "\${PARENT}"
`;
  const { problems } = parseConfig(text, join(folder, 'isthmus.yaml'), { PARENT: 'nonsense hunter2' });
  t.equal(problems.length, 8);
  t.notMatch(JSON.stringify(problems), /hunter2/);
});
