// The commands that ask a running daemon: what they ask, what they print, and what they say where no answer comes.

import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { type StubAnswer, startAdminStub } from './admin-stub.ts';
import { runIsthmus } from './run-isthmus.ts';

const zoneText = 'web.marathon.mesos. 60 IN A 10.0.0.5\nweb.marathon.mesos. 60 IN A 10.0.0.6\n';
const task = {
  framework: 'marathon',
  frameworkId: 'f-0',
  taskId: 'web.1',
  taskName: 'web',
  agentIp: '10.0.0.5',
  state: 'TASK_RUNNING',
  mesosHealthy: true,
  taskIps: ['10.1.0.7'],
  ports: [
    { name: 'http', protocol: 'tcp', hostPort: 31_000, containerPort: 80 },
    { name: 'log', protocol: 'udp', containerPort: 514 },
  ],
};
const bare = {
  framework: 'chronos',
  taskId: 'job\u001b[2J',
  taskName: 'job',
  state: 'TASK_STAGING',
  mesosHealthy: null,
  taskIps: [],
  ports: [],
};
const status = {
  version: 7,
  ready: true,
  source: 'live',
  tasks: 2,
  sources: [{ name: 'mesos', state: 'connected', ageSeconds: 0.3, reason: null }],
  planes: [{ name: 'zone', records: 12, lagSeconds: 0 }],
  degraded: ['router.https: port 443 is taken'],
};

const answers: Readonly<Record<string, unknown>> = {
  '/v1/zone': zoneText,
  '/v1/vips': 'tcp web.marathon 11.0.0.1:80 -> 10.0.0.5:31000 weight=1\n',
  '/v1/routes': '0.0.0.0:80 shop.example / -> /web:80 [HAPROXY_0_VHOST]\n',
  '/v1/tasks': [task, bare],
  '/v1/tasks?all=1': [],
  '/v1/certs': [{ names: ['a.example', 'b.example'], notAfter: '2027-01-01', origin: null }],
  '/v1/status': status,
};

function answer(path: string, accept: string): StubAnswer {
  if (path.startsWith('/v1/explain')) return { body: { lines: ['asked for', path], route: null } };
  if (accept === 'application/json' && path === '/v1/zone') return { body: [{ name: 'web.marathon.mesos.' }] };
  return path in answers ? { body: answers[path] } : { status: 404, body: { error: `no ${path} here` } };
}

t.test('zone, vips and routes print the text of the daemon', async (t) => {
  const stub = await startAdminStub(t, answer);
  for (const name of ['zone', 'vips', 'routes']) {
    t.strictSame(await runIsthmus([name, '--admin', stub.url]), {
      code: 0,
      stdout: answers[`/v1/${name}`],
      stderr: '',
    });
  }
  t.match(stub.asked, [
    { line: 'GET /v1/zone', accept: 'text/plain', authorization: '' },
    { line: 'GET /v1/vips' },
    { line: 'GET /v1/routes' },
  ]);
});

t.test('--json asks for JSON', async (t) => {
  const stub = await startAdminStub(t, answer);
  const { stdout } = await runIsthmus(['zone', '--json', '--admin', stub.url]);
  t.strictSame(JSON.parse(stdout), [{ name: 'web.marathon.mesos.' }]);
  t.equal(stub.asked[0]?.accept, 'application/json');
});

t.test('an address without its scheme, and with a slash behind it', async (t) => {
  const stub = await startAdminStub(t, answer);
  t.match(await runIsthmus(['zone', '--admin', stub.url.replace('http://', '')]), { code: 0, stdout: zoneText });
  t.match(await runIsthmus(['zone', '--admin', `${stub.url}/`]), { code: 0, stdout: zoneText });
});

t.test('tasks are a table, without what a terminal would obey', async (t) => {
  const stub = await startAdminStub(t, answer);
  t.equal(
    (await runIsthmus(['tasks', '--admin', stub.url])).stdout,
    [
      'FRAMEWORK  NAME  STATE    HEALTH  AGENT     ADDRESS   PORTS                   TASK',
      'marathon   web   RUNNING  good    10.0.0.5  10.1.0.7  http=31000 log=514/udp  web.1',
      'chronos    job   STAGING  -       -         -         -                       job?[2J',
      '',
    ].join('\n'),
  );
  t.match(await runIsthmus(['tasks', '--all', '--admin', stub.url]), { code: 0, stdout: 'no tasks\n' });
  t.strictSame(JSON.parse((await runIsthmus(['tasks', '--json', '--admin', stub.url])).stdout), [task, bare]);
});

t.test('certs tells of names that have none', async (t) => {
  const degraded = [
    'router.https: port 443 is taken',
    'certs: acme a.example: order failed: dns: no such name; correct it',
  ];
  const stub = await startAdminStub(t, (path) => ({ body: path === '/v1/certs' ? [] : { degraded } }));
  t.equal(
    (await runIsthmus(['certs', '--admin', stub.url])).stdout,
    'no certificates\n\nproblems\n  acme a.example: order failed: dns: no such name; correct it\n',
  );
});

t.test('certs and status', async (t) => {
  const stub = await startAdminStub(t, answer);
  t.equal(
    (await runIsthmus(['certs', '--admin', stub.url])).stdout,
    'NAMES                NOT AFTER   ORIGIN\na.example b.example  2027-01-01  -\n',
  );
  t.equal(
    (await runIsthmus(['status', '--admin', stub.url])).stdout,
    `ready, 2 tasks, version 7, live

sources
NAME   STATE      AGE SECONDS  REASON
mesos  connected  0.3          -

planes
NAME  RECORDS  LAG SECONDS
zone  12       0

does not serve
  router.https: port 443 is taken
`,
  );
  t.strictSame(JSON.parse((await runIsthmus(['status', '--json', '--admin', stub.url])).stdout), status);
});

t.test('explain asks for a URL, a name or a VIP', async (t) => {
  const stub = await startAdminStub(t, answer);
  const asks = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout } = await runIsthmus(['explain', ...args, '--admin', stub.url]);
    t.equal(code, 0, args.join(' '));
    t.match(stdout, /^asked for\n\/v1\/explain/, 'prints the lines');
    return decodeURIComponent(stub.asked.at(-1)?.line.replace('GET /v1/explain?', '') ?? '');
  };
  t.equal(await asks('http://shop.example/a?b=c'), 'url=http://shop.example/a?b=c&method=GET');
  t.equal(
    await asks('shop.example', '--method', 'post', '--header', 'a:b', '--header', 'c:d'),
    'url=shop.example&method=POST&header=a:b&header=c:d',
  );
  t.equal(await asks('dns', 'web.marathon.mesos'), 'dns=web.marathon.mesos&type=A');
  t.equal(await asks('dns', '_web._tcp.marathon.mesos', 'srv'), 'dns=_web._tcp.marathon.mesos&type=SRV');
  t.equal(await asks('vip', 'web.marathon:80'), 'vip=web.marathon:80');
  const { stdout } = await runIsthmus(['explain', 'vip', 'a:1', '--json', '--admin', stub.url]);
  t.match(JSON.parse(stdout), { lines: Array, route: null });
});

t.test('explain of what can be no name or type is wrong usage', async (t) => {
  const lines = ['web.mesos. MX4: invalid', '  there is no such record type'];
  const stub = await startAdminStub(t, () => ({ body: { outcome: 'invalid', lines } }));
  for (const more of [[], ['--json']]) {
    const ended = await runIsthmus(['explain', 'dns', 'web.mesos', 'MX4', ...more, '--admin', stub.url]);
    t.match(ended, { code: 2, stdout: '', stderr: /there is no such record type/ });
  }
});

t.test('the token comes from ISTHMUS_TOKEN', async (t) => {
  const stub = await startAdminStub(t, () => ({ status: 401, body: { error: 'a token is needed' } }));
  const without = await runIsthmus(['zone', '--admin', stub.url]);
  t.match(without, { code: 1, stdout: '', stderr: /asks for a token: set ISTHMUS_TOKEN/ });
  const wrong = await runIsthmus(['zone', '--admin', stub.url], { env: { ISTHMUS_TOKEN: 'hunter2' } });
  t.match(wrong, { code: 1, stderr: /does not accept the token in ISTHMUS_TOKEN/ });
  t.notMatch(wrong.stderr, /hunter2/);
  t.strictSame(
    stub.asked.map(({ authorization }) => authorization),
    ['', 'Bearer hunter2'],
  );
});

t.test('what the daemon refuses is told in its words', async (t) => {
  const stub = await startAdminStub(t, (path) =>
    path === '/v1/certs' ? { body: '<html>' } : { status: 404, body: { error: 'not configured' } },
  );
  t.match(await runIsthmus(['vips', '--admin', stub.url]), {
    code: 1,
    stdout: '',
    stderr: /\/v1\/vips answered 404: not configured/,
  });
  t.match(await runIsthmus(['certs', '--admin', stub.url]), {
    code: 1,
    stderr: /is no JSON: is this isthmus's admin address/,
  });
});

t.test('where no daemon is, what, where and what to do', async (t) => {
  const port = await closedPort();
  const ended = await runIsthmus(['status', '--admin', `http://127.0.0.1:${port}`]);
  t.match(ended, { code: 1, stdout: '', stderr: /connection refused[^]*isthmus run --config FILE[^]*--admin URL/ });
  t.match(ended.stderr, new RegExp(`http://127\\.0\\.0\\.1:${port} `));
});

/** A port that nobody listens on: it was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
