// parseConfig: a good file becomes a Config, a bad one every problem of it at once.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { type ConfigProblem, parseConfig } from '../../../src/daemon/config/index.ts';

const folder = join(import.meta.dirname, 'data');
const fullFile = join(folder, 'full.yaml');
const full = readFileSync(fullFile, 'utf8');
const env = { ZK_PASSWORD: 'zk-password', MESOS_PASSWORD: 'mesos-password' };
const cluster = 'cluster: [{ mesos: { masters: ["http://10.0.0.11:5050"] } }]\n';

const parse = (text: string, variables: Record<string, string> = {}): ReturnType<typeof parseConfig> =>
  parseConfig(text, join(folder, 'isthmus.yaml'), variables);

/** Problems as `line path`, for comparing many at once. */
const places = (text: string): readonly string[] => parse(text).problems.map(({ line, path }) => `${line} ${path}`);

const only = (text: string): ConfigProblem | undefined => {
  const { problems } = parse(text);
  return problems.length === 1 ? problems[0] : undefined;
};

t.test('a file with every key is fine, frozen, and typed in ms, bytes and addresses', async (t) => {
  const { config, problems } = parseConfig(full, fullFile, env);
  t.strictSame(problems, []);
  if (config === null) throw new Error('no config');
  t.strictSame(config.dns?.listen, [
    { host: '127.0.0.1', port: 53 },
    { host: '::1', port: 53 },
  ]);
  t.equal(config.router?.limits.headerBytes, 16_384);
  t.equal(config.router?.limits.bodyBytes, 0, 'off is no limit');
  t.equal(config.router?.timeouts.tunnelMs, 3_600_000);
  t.equal(config.socks?.users, join(folder, 'users.yaml'), 'paths are absolute, from the file');
  t.same(config.store, { kind: 'file', dir: join(folder, 'state') });
  t.strictSame(config.socks?.rules[1], { allow: { to: ['169.254.0.0/16'] }, unsafe: true });
  t.strictSame(config.forwards[1]?.from, ['0.0.0.0/0', '::/0'], 'any is written out');
  t.match(
    config.cluster.map(({ kind, name }) => `${kind} ${name}`),
    ['mesos mesos', 'marathon marathon', 'marathon marathon-user', 'file marathon'],
  );
  t.throws(() => Object.assign(config.dns?.listen[0] ?? {}, { port: 1 }), TypeError, 'frozen to the leaves');
});

t.test('every section may be {} and then has the documented defaults', async (t) => {
  const { config, problems } = parse(
    `${cluster}dns: {}\nvips: {}\nrouter: { http: ["0.0.0.0:80"] }\nhealth: {}\nsocks: {}\nhttpProxy: {}\nstore: {}\nadmin: {}\nlog: {}\n`,
  );
  t.strictSame(problems, []);
  t.match(config?.dns, {
    listen: [{ host: '127.0.0.1', port: 53 }],
    domain: 'mesos',
    http: { host: '127.0.0.1', port: 8123 },
    upstreams: [],
    strict: true,
    ttlSeconds: 60,
    soaMname: 'ns1.mesos.',
    soaRname: 'root.ns1.mesos.',
    ipSources: ['netinfo', 'mesos', 'host'],
    transferTo: [],
  });
  t.match(config?.vips, { plane: 'auto', range: { first: '11.0.0.0', last: '11.255.255.255' }, ipv6: true });
  t.match(config?.router, {
    https: [{ host: '0.0.0.0', port: 443 }],
    groups: ['external'],
    labels: 'corrected',
    traefik: null,
    servicePorts: null,
    appIdHeader: null,
    haproxyEndpoints: null,
    noRoute: 503,
    errorPages: null,
    accessLog: null,
    tls: { profile: 'intermediate', strictSni: false, clientAuth: [] },
    timeouts: { headerMs: 15_000, idleMs: 15_000, drainMs: 30_000 },
  });
  t.strictSame(config?.health, { checks: true, eject: true, slowStartMs: 0, panicRatio: 0.5, zone: null });
  t.match(config?.socks, {
    listen: [{ host: '127.0.0.1', port: 1080 }],
    versions: [5],
    commands: ['connect'],
    users: null,
    rules: [],
  });
  t.match(config?.httpProxy, { listen: [{ host: '127.0.0.1', port: 3128 }], pac: true, advertise: [] });
  t.same(config?.store, { kind: 'file', dir: '/var/lib/isthmus' });
  t.match(config?.admin, { listen: { host: '127.0.0.1', port: 9099 }, token: null });
  t.strictSame(config?.log, { level: 'info', format: 'json' });
});

t.test('a section that is absent is off', async (t) => {
  const { config } = parse(cluster);
  if (config === null) throw new Error('no config');
  const { cluster: _, certs, forwards, parents, workers, log, ...rest } = config;
  for (const [name, value] of Object.entries(rest)) t.equal(value, null, name);
  t.strictSame([certs, forwards, parents, workers], [[], [], {}, 'auto']);
  t.match(log, { level: 'info' });
});

t.test('five mistakes of five kinds are told at once, each with its line and what would be right', async (t) => {
  const { config, problems } = parse(
    `${cluster}dns:
  listn: ["127.0.0.1:53"]
router:
  timeouts: { idle: 10 }
socks:
  rules:
    - { allow: { to: [external] }, via: dcc }
parents: { dc: ["http://px1.corp.example:8080"] }
forwards:
  - { listen: "0.0.0.0:15210", to: "db.example:1521" }
admin: { listen: "127.0.0.1" }
`,
  );
  t.equal(config, null);
  t.strictSame(
    problems.map(({ line, path, message, remedy, severity }) => [line, path, message, remedy, severity]),
    [
      [3, 'dns.listn', 'there is no key "listn" here', 'did you mean "listen"?', 'error'],
      [5, 'router.timeouts.idle', '10 needs a unit', 'write 10s, 10ms or 10m', 'error'],
      [8, 'socks.rules[0].via', '"dcc" is not a key of parents', 'did you mean "dc"?', 'error'],
      [
        11,
        'forwards[0].from',
        'is missing',
        'write the networks of clients, such as from: [10.0.0.0/8], or from: any',
        'error',
      ],
      [
        12,
        'admin.listen',
        '"127.0.0.1" is no host:port',
        'write IP:PORT, such as 127.0.0.1:8080, 0.0.0.0:80 or [::1]:53',
        'error',
      ],
    ],
  );
});

t.test('a column is told too', async (t) => {
  t.match(only(`${cluster}workers: many\n`), { line: 2, column: 10 });
  t.match(only(`${cluster}dns:\n  ttll: 5\n`), { line: 3, column: 3 });
});

t.test('two listeners on one address', async (t) => {
  const clash = (rest: string): string | undefined => only(`${cluster}${rest}`)?.message;
  t.match(
    clash('dns: { http: "127.0.0.1:53" }\n'),
    /listens on 127\.0\.0\.1:53, as dns\.listen does/,
    'a default counts',
  );
  t.match(clash('admin: {}\ndcosNet: "127.0.0.1:9099"\n'), /as dcosNet does/);
  t.match(
    clash('router: { http: ["0.0.0.0:80", "10.0.0.1:80"] }\n'),
    /a port that router\.http\[0\] takes on every address/,
  );
  t.match(
    clash('router: { http: ["10.0.0.1:80", "[::]:80"] }\n'),
    /on every address, that of router\.http\[0\] among them/,
  );
  t.match(
    clash('forwards: [{ listen: "127.0.0.1:9099", to: "a:1", from: any }]\nadmin: {}\n'),
    /as admin\.listen does/,
  );
  t.strictSame(
    places(`${cluster}router: { http: ["127.0.0.1:0", "127.0.0.1:0"], https: ["[::1]:80", "10.0.0.1:80"] }\n`),
    [],
    'port 0, other families',
  );
});

t.test('mistakes of one section do not hide those of another kind in it', async (t) => {
  const text = `${cluster}dns:
  domain: mesos
  forwardZones: { a.mesos: [10.0.0.1] }
  ttl: x
  upstreams: ["127.0.0.1:53"]
socks:
  listen: ["0.0.0.0:1080"]
  users: users.yaml
  versions: [6]
  rules:
    - { alow: {} }
    - { allow: {}, unsafe: true, lg: open }
    - { deny: {}, via: dc }
    - { allow: { ports: [0], from: [] } }
    - { deny: {}, limits: { connections: 1 }, timeouts: { lifetime: 1h } }
    - { allow: {}, limits: { perUser: 2 } }
admin: { listen: "10.0.0.1:9099", limits: { x: 1 } }
`;
  t.strictSame(places(text), [
    '4 dns.forwardZones."a.mesos"',
    '5 dns.ttl',
    '6 dns.upstreams[0]',
    '9 socks.users',
    '10 socks.versions[0]',
    '12 socks.rules[0].alow',
    '13 socks.rules[1].unsafe',
    '13 socks.rules[1].lg',
    '14 socks.rules[2].via',
    '14 socks.rules[2].via',
    '15 socks.rules[3].allow.ports[0]',
    '15 socks.rules[3].allow.from',
    '16 socks.rules[4].limits',
    '16 socks.rules[4].timeouts',
    '17 socks.rules[5].limits.perUser',
    '18 admin.listen',
    '18 admin.limits.x',
  ]);
});

t.test('limits and timeouts of a rule: what is said alone', async (t) => {
  const rule = `{ allow: {}, limits: { connections: 5, bytesPerSecond: 1M }, timeouts: { halfClosed: 5m, lifetime: off } }`;
  const { config, problems } = parse(`${cluster}socks: { rules: [${rule}] }\n`);
  t.strictSame(problems, []);
  const [said] = config?.socks?.rules ?? [];
  t.strictSame(said?.limits, { connections: 5, bytesPerSecond: 1_048_576 });
  t.strictSame(said?.timeouts, { halfClosedMs: 300_000, lifetimeMs: 0 });
});

t.test('cluster sources', async (t) => {
  t.match(only('dns: {}\n'), { line: 1, path: 'cluster', message: 'is missing' });
  t.match(only('cluster: []\n'), { path: 'cluster', message: 'is empty' });
  t.match(only('cluster: [{}]\n'), { path: 'cluster[0]', message: 'is of no kind' });
  t.match(only('cluster: [{ mesos: {} }]\n'), { path: 'cluster[0].mesos', message: 'names no master' });
  t.match(only('cluster: [{ mesos: { masters: ["http://a:1", "http://A:1/"] } }]\n'), {
    path: 'cluster[0].mesos.masters[1]',
    message: /second time/,
  });
  t.match(only('cluster: [{ marathon: { urls: ["http://a:1"] } }, { marathon: { urls: ["http://b:1"] } }]\n'), {
    path: 'cluster[1]',
    message: 'is a second marathon named "marathon"',
  });
  t.match(
    only('cluster: [{ mesos: { masters: ["http://a:1"], auth: { basic: { user: a, password: b }, token: c } } }]\n'),
    {
      path: 'cluster[0].mesos.auth',
      message: /no way to authenticate, or several/,
    },
  );
  t.strictSame(places('cluster: [{ mesos: { zookeeper: "zk://a:2181/mesos" } }]\n'), [], 'ZooKeeper alone will do');
});

t.test('files that are not there', async (t) => {
  t.match(only(`${cluster}socks: { users: nobody.yaml }\n`), {
    path: 'socks.users',
    message: /does not exist \(looked for .*data\/nobody\.yaml\)/,
  });
  t.match(only(`${cluster}router: { errorPages: users.yaml }\n`), {
    path: 'router.errorPages',
    message: /is no directory/,
  });
  t.match(only(`${cluster}store: { dir: users.yaml }\n`), { path: 'store.dir', message: /is a file/ });
  t.match(only(`${cluster}router: { accessLog: { path: /nowhere/access.log } }\n`), {
    path: 'router.accessLog.path',
    message: /folder that does not exist/,
  });
  const watched = parse('cluster: [{ file: { path: later.json } }]\ncerts: [{ directory: later }]\n');
  t.match(watched.problems, [
    { severity: 'warning', line: 1 },
    { severity: 'warning', line: 2 },
  ]);
  t.ok(watched.config, 'what is watched may come later');
});

t.test('acme: what goes together', async (t) => {
  const store = 'store: { dir: kept }\n';
  t.match(only(`${cluster}${store}certs: [{ acme: { challenge: dns-01 } }]\n`), {
    path: 'certs[0].acme.challenge',
    message: /needs a hook/,
  });
  t.match(only(`${cluster}${store}certs: [{ acme: { hook: users.yaml } }]\n`), {
    path: 'certs[0].acme.hook',
    message: /is not called for http-01/,
  });
  const forgetful = parse(`${cluster}certs: [{ acme: {} }]\n`);
  t.match(forgetful.problems, [{ severity: 'warning', path: 'certs[0].acme', message: /has no store/ }]);
  t.match(forgetful.config?.certs, [
    { directory: /letsencrypt/, domains: 'routed', challenge: 'http-01', keyType: 'ecdsa', hookTimeoutMs: 120_000 },
  ]);
});

t.test('a rate limit of DNS may be its number alone', async (t) => {
  t.strictSame(parse(`${cluster}dns: { rateLimit: 50 }\n`).config?.dns?.rateLimit, {
    perSecond: 50,
    slip: 2,
    exempt: [],
  });
  t.equal(parse(`${cluster}dns: {}\n`).config?.dns?.rateLimit, null);
  t.match(only(`${cluster}dns:\n  ttl: 5s\n  rateLimit: often\n`), {
    line: 4,
    path: /^dns\.rateLimit/,
    message: /is no whole number/,
  });
});

t.test('what works and is seldom meant is a warning', async (t) => {
  const nested = parse(
    `${cluster}dns: { forwardZones: { corp.example: ["10.0.0.2"], EU.corp.example: ["10.0.0.3"] } }\n`,
  );
  t.match(nested.problems, [
    { severity: 'warning', path: /forwardZones/, message: /"EU.corp.example" lies inside corp.example/ },
  ]);
  t.match(nested.config?.dns?.forwardZones, { 'eu.corp.example': [{ host: '10.0.0.3', port: 53 }] });

  const portless = parse(
    'cluster: [{ mesos: { masters: ["http://10.0.0.11", "https://[fd00::1]/", "http://10.0.0.12:80"] } }]\n',
  );
  t.match(
    portless.problems.map(({ severity, path, message }) => [severity, path, message]),
    [
      ['warning', 'cluster[0].mesos.masters[0]', /names no port, so that 80 is asked/],
      ['warning', 'cluster[0].mesos.masters[1]', /names no port, so that 443 is asked/],
    ],
  );
  t.not(portless.config, null);
});

t.test('broken YAML is told with its line, and the rest is still checked', async (t) => {
  t.match(parse(`${cluster}dns: { listen: [\nworkers: many\n`).problems[0], { message: /^YAML: / });
  t.strictSame(places(`${cluster}log: { level: info }\nlog: { level: debug }\nworkers: many\n`), [
    '3 log',
    '4 workers',
  ]);
  t.match(only(`${cluster}dns:\n\tlisten: x\n`), { line: 3, remedy: 'indent with spaces' });
  t.match(only(`${cluster}dns: *nothing\n`), {
    line: 2,
    message: /"\*nothing", which no "&nothing" before it defines/,
  });
  t.match(only(`${cluster}---\na: 1\n`), { line: 2, message: /second document/ });
  t.match(parse(`${cluster}user: [\${USER}, x]\n`).problems[0], { remedy: /in quotes inside/ });
  t.match(only('- a\n'), { line: 1, path: '', message: /no map of keys/ });
  t.match(only('__proto__: {}\n' + cluster), { message: /no key "__proto__"/ });
  t.match(only(`${cluster}dns:\n`), { line: 2, path: 'dns', message: 'is empty' });
});

t.test('aliases are followed, and neither they nor depth can be made to hurt', async (t) => {
  const { config } = parse(
    'cluster: [{ mesos: &m { masters: ["http://10.0.0.11:5050"] } }]\nrouter: { trustedProxies: &n [10.0.0.0/8], proxyProtocol: *n }\n',
  );
  t.strictSame(config?.router?.proxyProtocol, ['10.0.0.0/8']);
  let bomb = 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n';
  for (let i = 1; i < 12; i++)
    bomb += `a${i}: &a${i} [${Array<string>(10)
      .fill(`*a${i - 1}`)
      .join(', ')}]\n`;
  t.ok(parse(bomb).problems.some(({ message }) => message === 'is nested too deeply'));
  t.match(parse('['.repeat(5_000)).problems[0], { message: 'is nested too deeply' });
  t.match(
    parse('dns: &d { x: *d }\n').problems.map(({ message }) => message),
    ['is nested too deeply'],
  );
});

t.test('no text makes it throw', async (t) => {
  const pieces = [
    'dns',
    ':',
    ' ',
    '\n',
    '- ',
    '[',
    ']',
    '{',
    '}',
    '"',
    '&a ',
    '*a',
    '${X}',
    '!!',
    '|',
    '\t',
    'listen',
    '0',
    'null',
    '#',
    '---\n',
    'rules',
    'allow',
  ];
  const text = fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (text) =>
      parse(text).problems.every(({ line, column, remedy }) => line >= 1 && column >= 1 && remedy !== ''),
    ),
  );
  const lines = full.split('\n');
  fc.assert(
    fc.property(fc.nat(lines.length - 1), fc.constantFrom('', '  x: y', '- 1', '  {', 'null'), (at, put) => {
      parseConfig(lines.with(at, put).join('\n'), fullFile, env);
      return true;
    }),
    { numRuns: 25 },
  );
  t.pass('held');
});
