// The configuration that clients fetch, executed by those it is for: a PAC engine, a shell with curl, Node, Java, and Chromium.

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import type { ClientOptions } from '../../../proxies/egress/index.ts';
import { needs } from '../../needs.ts';
import { allowCluster, serveLate } from '../access/scene.ts';
import { ask, body, hello, open, origin, status, usersFile, type Scene } from './scene.ts';

const run = promisify(execFile);

const clients: ClientOptions = {
  proxies: [],
  zones: ['mesos', 'thisdcos.directory'],
  direct: ['11.0.0.0-11.255.255.255'],
};
const two: ClientOptions = { ...clients, proxies: ['edge1.example:3128', 'edge2.example:3128'] };

const fetchPage = async ({ port }: Scene, page: string, host = `127.0.0.1:${port}`): Promise<string> =>
  body(await ask(port, `GET ${page} HTTP/1.1`, `Host: ${host}`));

t.test('pages are ours under our addresses and names alone', async (t) => {
  const { port } = await open(t, { clients: two });
  for (const host of ['edge1.example:3128', `127.0.0.1:${port}`, 'wpad.mesos', `[::1]:${port}`, 'localhost']) {
    const answer = await ask(port, 'GET /wpad.dat HTTP/1.1', `Host: ${host}`);
    t.match(answer, /^HTTP\/1\.1 200 [^]*Content-Type: application\/x-ns-proxy-autoconfig\r\n/, host);
  }
  for (const host of ['evil.example', 'wpad', 'wpad.example', 'wpad.com'])
    t.equal(status(await ask(port, 'GET /proxy.pac HTTP/1.1', `Host: ${host}`)), 400, host);
  t.equal(status(await ask(port, 'POST /proxy.pac HTTP/1.1', 'Host: 127.0.0.1', 'Content-Length: 0')), 400);
  t.equal(body(await ask(port, 'GET /healthz HTTP/1.1', 'Host: 127.0.0.1')), 'ok\n');
  const { port: without } = await open(t);
  t.equal(status(await ask(without, 'GET /proxy.pac HTTP/1.1', 'Host: 127.0.0.1')), 400, 'where there are none');
});

/** What `python3-pacparser` finds for each `url host` pair. */
async function decide(t: Test, pac: string, rows: readonly string[]): Promise<readonly string[]> {
  const file = join(t.testdir({ 'proxy.pac': pac }), 'proxy.pac');
  const script = `import pacparser, sys
pacparser.init()
pacparser.parse_pac_file(sys.argv[1])
for host in sys.argv[2:]:
  url = '[' + host + ']' if ':' in host else host
  print(pacparser.find_proxy('http://' + url + '/', host))
pacparser.cleanup()`;
  const { stdout } = await run('/usr/bin/python3', ['-W', 'ignore', '-c', script, file, ...rows]);
  return stdout.trim().split('\n');
}

const direct = [
  ...[
    'plain',
    'web.marathon.mesos',
    'WEB.Marathon.MESOS',
    'web.mesos.',
    'thisdcos.directory',
    'a.l4lb.thisdcos.directory',
  ],
  ...[
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.7.7',
    '169.254.1.1',
    '11.3.4.5',
    '::1',
    'fd00::1',
  ],
];
const byProxy = [
  ...['www.example', 'x.mesos.example', '10.evil.example', '127.0.0.1.evil.example', 'x.notmesos.example'],
  ...['172.32.0.1', '12.0.0.1', '8.8.8.8', '2001:db8::1', '192.169.0.1'],
];

t.test('/proxy.pac in a PAC engine', { skip: needs('pacparser') }, async (t) => {
  const scene = await open(t, { clients: two });
  const pac = await fetchPage(scene, '/proxy.pac');
  t.equal(await fetchPage(scene, '/wpad.dat'), pac, '/wpad.dat is the same');
  const found = await decide(t, pac, [...direct, ...byProxy]);
  direct.forEach((host, i) => t.equal(found[i], 'DIRECT', host));
  const proxies = /^PROXY edge([12])\.example:3128; PROXY edge([12])\.example:3128$/;
  byProxy.forEach((host, i) => t.match(found[direct.length + i], proxies, host));
  t.equal(new Set(found.slice(direct.length)).size, 1, 'in one order, every time');
});

t.test('networks and plain names that rules allow go by the proxy', { skip: needs('pacparser') }, async (t) => {
  const rules = [{ allow: { to: ['10.9.0.0/16', 'erp', '127.0.0.0/8', '*.mesos'] } }, ...allowCluster];
  const scene = await open(t, {
    clients: { ...clients, direct: ['10.9.9.0/24', 'intra.example', '*.corp.example'] },
    rules,
  });
  const found = await decide(t, await fetchPage(scene, '/proxy.pac'), [
    ...['10.9.1.1', 'erp', '10.8.255.255', '10.10.0.0', '10.9.9.1', '127.0.0.1', 'a.mesos'],
    ...['intra.example', 'x.corp.example', 'corp.example', 'x.intra.example'],
  ]);
  const proxy = `PROXY 127.0.0.1:${scene.port}`;
  t.strictSame(found, [proxy, proxy, ...Array<string>(8).fill('DIRECT'), proxy]);
  const env = await fetchPage(scene, '/proxy.env');
  const none = /^no_proxy=(.*)$/m.exec(env)?.[1]?.split(',') ?? [];
  t.notOk(none.includes('10.0.0.0/8'));
  t.ok(none.includes('10.128.0.0/9') && none.includes('10.9.9.0/24') && none.includes('.corp.example'));
});

t.test('the order of proxies is that of the client', async (t) => {
  const { port, base } = await open(t, { clients: two });
  const orders = new Set<string>();
  for (let i = 1; i <= 16; i++) {
    const { stdout } = await run('curl', ['-s', '--interface', `127.0.0.${i}`, `http://127.0.0.1:${port}/proxy.env`]);
    orders.add(/^http_proxy=(.*)$/m.exec(stdout)?.[1] ?? '');
  }
  t.equal(orders.size, 2, 'both are somebody’s first');
  t.equal(base.resolver.sent.length, 0);
});

/** An environment with nothing of ours in it. */
const bare = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent' };

t.test('/proxy.env as a shell reads it: curl, Node and Java', { skip: needs('curl', 'javac') }, async (t) => {
  const web = await origin(t, hello);
  const scene = await open(t, { clients });
  const folder = t.testdir({ 'proxy.env': await fetchPage(scene, '/proxy.env') });
  await writeFile(join(folder, 'Get.java'), java);
  const inShell = (command: string): ReturnType<typeof run> =>
    run('sh', ['-c', `set -a; . ./proxy.env; ${command}`], { cwd: folder, env: bare });
  const url = `http://web.own:${web.port}/`;
  t.match((await inShell(`curl -s -i ${url}`)).stdout, /\r\nVia: 1\.1 isthmus-[^]*hello$/, 'curl');
  const program = 'fetch(process.argv[1]).then(async (a) => console.log(a.headers.get("via"), await a.text()))';
  const node = `${process.execPath} -e '${program}' `;
  t.match((await inShell(node + url)).stdout, /isthmus-[^]*hello\n$/, 'Node');
  t.equal((await inShell(`${node}http://127.0.0.1:${web.port}/`)).stdout, 'null hello\n', 'Node, directly');
  const ran = await inShell(`java Get.java ${url} http://127.0.0.1:${web.port}/`);
  t.match(ran.stdout, /^1\.1 isthmus-[0-9a-f]+ hello\nnull hello\n$/, 'Java');
  t.match(ran.stderr, /Picked up JAVA_TOOL_OPTIONS/);
});

t.test('/proxy.env as others read it', { skip: needs('javac') }, async (t) => {
  const web = await origin(t, hello);
  const scene = await open(t, { clients });
  const folder = t.testdir({ 'proxy.env': await fetchPage(scene, '/proxy.env') });
  await writeFile(join(folder, 'Get.java'), java);
  // As docker does: all behind the first = as it stands.
  const lines = (await fetchPage(scene, '/proxy.env')).trimEnd().split('\n');
  const env = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
  const url = `http://web.own:${web.port}/`;
  const ran = await run('java', ['Get.java', url, `http://127.0.0.1:${web.port}/`], {
    cwd: folder,
    env: { ...bare, ...env },
  });
  t.match(ran.stdout, /^1\.1 isthmus-[0-9a-f]+ hello\nnull hello\n$/, 'word for word');
});

const java = `
import java.net.*;
public class Get {
  public static void main(String[] urls) throws Exception {
    for (String url : urls) {
      URLConnection connection = new URL(url).openConnection();
      String text = new String(connection.getInputStream().readAllBytes());
      System.out.println(connection.getHeaderField("Via") + " " + text);
    }
  }
}
`;

t.test('/proxy.json is the part of a Marathon app', { skip: needs('javac') }, async (t) => {
  const web = await origin(t, hello);
  const scene = await open(t, { clients });
  const page = JSON.parse(await fetchPage(scene, '/proxy.json')) as { env: Record<string, string> };
  t.strictSame(Object.keys(page), ['env']);
  t.equal(page.env['http_proxy'], `http://127.0.0.1:${scene.port}`, 'the address that was asked');
  t.notOk('HTTP_PROXY' in page.env);
  const folder = t.testdir({ 'Get.java': java });
  const urls = [`http://web.own:${web.port}/`, `http://127.0.0.1:${web.port}/`];
  const ran = await run('java', ['Get.java', ...urls], { cwd: folder, env: { ...bare, ...page.env } });
  t.match(ran.stdout, /^1\.1 isthmus-[0-9a-f]+ hello\nnull hello\n$/);
});

t.test('Chromium with the PAC file', { skip: needs('chromium') }, async (t) => {
  const web = await origin(t, (_request, response) => response.end('<p>seen by chromium</p>'));
  const scene = await open(t, { clients });
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-background-networking',
  ];
  const profile = `--user-data-dir=${t.testdir({})}`;
  const pac = `--proxy-pac-url=http://127.0.0.1:${scene.port}/proxy.pac`;
  const page = ['--timeout=15000', '--dump-dom', `http://web.own:${web.port}/`];
  const { stdout } = await run('chromium', [...flags, profile, pac, ...page], { timeout: 60_000 });
  t.match(stdout, /<p>seen by chromium<\/p>/);
  t.match(web.heads[0], /\nVia: 1\.1 isthmus-/);
});

t.test('ncat through CONNECT, with a password and FIN at once', { skip: needs('ncat', 'curl') }, async (t) => {
  const target = await serveLate();
  t.teardown(() => target.close());
  const { port } = await open(t, { users: await usersFile(t) });
  const ncat = (auth: string): Promise<{ stdout: string }> => {
    const proxy = `--proxy 127.0.0.1:${port} --proxy-type http --proxy-auth ${auth}`;
    return run('sh', ['-c', `printf batch | ncat ${proxy} 127.0.0.1 ${target.port}`], { timeout: 10_000 });
  };
  t.equal((await ncat('batch:s3cret')).stdout, 'late batch');
  t.notMatch((await ncat('batch:wrong').catch(() => ({ stdout: '' }))).stdout, /late/);
  const through = [
    '-sS',
    '-o',
    '/dev/null',
    '-w',
    '%{http_connect}',
    '-x',
    `http://127.0.0.1:${port}`,
    '--proxytunnel',
  ];
  const refused = await run('curl', [...through, '-U', 'batch:wrong', `http://127.0.0.1:${target.port}/`]).catch(
    (error: unknown) => error as { stdout: string },
  );
  t.equal(refused.stdout, '407');
});
