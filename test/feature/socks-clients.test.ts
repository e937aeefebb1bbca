// Clients that people have: each reaches a task by its cluster name through the SOCKS proxy of a daemon as users run it, also when it ends
// its side first.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { needs } from '../needs.ts';
import { serve, serveLate } from '../proxies/access/scene.ts';
import { startPostgresql } from './postgresql.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';
import { oneTaskState, taskName as name } from './one-task.ts';

t.setTimeout(90_000);

/** The task's own address: all its ports are the cluster's. */
const taskIp = '127.44.7.1';

let daemon: RunningDaemon;

t.before(async () => {
  const directory = t.testdir({ 'state.json': oneTaskState(taskIp) });
  daemon = await startDaemon(`
cluster:
  - file: { path: "${join(directory, 'state.json')}" }
dns: { listen: ["127.0.0.1:0"], http: "127.0.0.1:0", upstreams: ["127.0.0.1:9"] }
socks:
  listen: ["127.0.0.1:0"]
  versions: [4, 5]
  commands: [connect, bind, udp]
  rules: [{ allow: { to: [cluster] } }]
admin: { listen: "127.0.0.1:0" }
workers: 0
`);
});

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** `input` is written and then ended at once. */
function run(command: string, args: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(command, args, { stdio: 'pipe' });
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(late);
      resolve({ code, out, err });
    });
  });
}

const proxy = (): string => daemon.address('socks');

async function lateServer(t: Test): Promise<number> {
  const target = await serve((socket: Socket) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('end', () => setTimeout(() => socket.end(`late ${text}`), 300));
  }, taskIp);
  t.teardown(() => target.close());
  return target.port;
}

async function httpServer(t: Test): Promise<number> {
  const server = createServer((_request, response) => response.end('web'));
  server.listen(0, taskIp);
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

t.test('curl in each of its ways', { skip: needs('curl') }, async (t) => {
  const port = await httpServer(t);
  for (const [option, host] of [
    ['--socks4', taskIp],
    ['--socks4a', name],
    ['--socks5', taskIp],
    ['--socks5-hostname', name],
  ] as const) {
    const ran = await run('curl', ['-sS', '--max-time', '10', option, proxy(), `http://${host}:${port}/`]);
    t.strictSame(ran, { code: 0, out: 'web', err: '' }, option);
  }
  const denied = await run('curl', ['-sS', '--max-time', '10', '--socks5-hostname', proxy(), 'http://127.0.0.1:1/']);
  t.equal(denied.code, 97);
});

t.test('ncat and nc end their side first and hear the answer', { skip: needs('ncat', 'nc') }, async (t) => {
  const port = String(await lateServer(t));
  for (const [command, ...args] of [
    ['ncat', '--proxy', proxy(), '--proxy-type', 'socks5', '--proxy-dns', 'remote', name, port],
    ['ncat', '--proxy', proxy(), '--proxy-type', 'socks4', taskIp, port],
    ['nc', '-N', '-X', '5', '-x', proxy(), name, port],
    ['nc', '-N', '-X', '4', '-x', proxy(), taskIp, port],
  ] as const) {
    const ran = await run(command, args, 'report');
    t.equal(ran.out, 'late report', `${command} ${args.join(' ')}: ${ran.err}`);
  }
});

function proxychains(t: Test): string {
  const directory = t.testdir({
    'chains.conf': `strict_chain\nproxy_dns\ntcp_read_time_out 10000\ntcp_connect_time_out 10000\n[ProxyList]\nsocks5 ${proxy().replace(':', ' ')}\n`,
  });
  return join(directory, 'chains.conf');
}

t.test('proxychains4 carries redis-cli', { skip: needs('proxychains4', 'redis-cli', 'redis-server') }, async (t) => {
  const free = await serveLate();
  await free.close();
  const port = String(free.port);
  const redis = spawn('redis-server', ['--bind', taskIp, '--port', port, '--save', '', '--protected-mode', 'no']);
  t.teardown(() => redis.kill());
  let said = '';
  for await (const chunk of redis.stdout) if ((said += String(chunk)).includes('eady to accept')) break;
  const args = ['-q', '-f', proxychains(t), 'redis-cli', '-h', name, '-p', port];
  t.equal((await run('proxychains4', [...args, 'set', 'a', 'b'])).out.trim(), 'OK');
  t.equal((await run('proxychains4', [...args, 'get', 'a'])).out.trim(), 'b');
});

t.test('proxychains4 carries psql', { skip: needs('proxychains4', 'psql', 'postgresql') }, async (t) => {
  const free = await serveLate();
  await free.close();
  const port = String(free.port);
  const postgresql = await startPostgresql(taskIp, port);
  t.teardown(() => postgresql.stop());
  const psql = [
    'psql',
    '-h',
    name,
    '-p',
    port,
    '-U',
    'bob',
    '-d',
    'postgres',
    '-X',
    '-A',
    '-t',
    '-v',
    'ON_ERROR_STOP=1',
  ];
  const args = ['-q', '-f', proxychains(t), ...psql];
  const asked = await run('proxychains4', [...args, '-c', 'select 6 * 7', '-c', 'select inet_server_addr()']);
  t.strictSame(asked.out.trim().split('\n'), ['42', taskIp], asked.err);
  const rows = `create table t (n int);\ncopy t from stdin;\n${[1, 2, 3].join('\n')}\n\\.\nselect sum(n) from t;\n`;
  const script = await run('proxychains4', [...args, '-q'], rows);
  t.equal(script.out.trim(), '6', script.err);
  const large = await run('proxychains4', [...args, '-c', `select repeat('x', 3000000)`]);
  t.equal(large.out.trim().length, 3_000_000, large.err);
});

t.test('PySocks: TCP by name with half-close, and a DNS query by UDP', { skip: needs('pysocks') }, async (t) => {
  const port = await lateServer(t);
  const tcp = `
import socks, socket
s = socks.socksocket(); s.set_proxy(socks.SOCKS5, "127.0.0.1", ${daemon.port('socks')}, rdns=True)
s.connect(("${name}", ${port})); s.sendall(b"report"); s.shutdown(socket.SHUT_WR)
print(s.makefile().read(), end="")`;
  const ran = await run('/usr/bin/python3', ['-c', tcp]);
  t.equal(ran.out, 'late report', ran.err);
  const server = createSocket('udp4');
  server.on('message', (query, from) => {
    const answer = Buffer.from(query);
    answer[2] = 0x84;
    server.send(answer, from.port, from.address);
  });
  server.bind(0, taskIp);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const udp = `
import socks, socket
s = socks.socksocket(socket.AF_INET, socket.SOCK_DGRAM)
s.set_proxy(socks.SOCKS5, "127.0.0.1", ${daemon.port('socks')}); s.settimeout(10)
query = bytes.fromhex("abcd01000001000000000000037777770765786d61706c650000010001")
s.sendto(query, ("${name}", ${server.address().port})); answer, place = s.recvfrom(2048)
print(answer.hex(), place[0])`;
  const asked = await run('/usr/bin/python3', ['-c', udp]);
  t.equal(asked.out.trim(), `abcd84000001000000000000037777770765786d61706c650000010001 ${taskIp}`, asked.err);
});

t.test('ssh with a proxy client as its ProxyCommand', { skip: needs('root', 'ssh', 'sshd', 'nc') }, async (t) => {
  const directory = t.testdir({ 'sshd.conf': '' });
  const key = (file: string): string => join(directory, file);
  for (const file of ['host', 'own']) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key(file)]);
  const free = await serveLate();
  await free.close();
  const port = String(free.port);
  mkdirSync('/run/sshd', { recursive: true });
  writeFileSync(
    key('sshd.conf'),
    `ListenAddress ${taskIp}:${port}\nHostKey ${key('host')}\nAuthorizedKeysFile ${key('own')}.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n`,
  );
  const sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', key('sshd.conf')]);
  t.teardown(() => sshd.kill());
  let said = '';
  for await (const chunk of sshd.stderr) if ((said += String(chunk)).includes('listening')) break;
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
  const ran = await run('ssh', [
    ...[...options, `ProxyCommand=nc -X 5 -x ${proxy()} %h %p`].flatMap((option) => ['-o', option]),
    ...['-F', '/dev/null', '-i', key('own'), '-p', port, `root@${name}`, 'echo through'],
  ]);
  t.equal(ran.out.trim(), 'through', ran.err);
});

t.test('every session left a line and a count', async (t) => {
  const metrics = await daemon.get('/metrics');
  t.match(metrics, /isthmus_socks_sessions_total\{verdict="allow",reason="finished"\} [1-9]/);
  t.match(metrics, /isthmus_socks_udp_datagrams_total\{direction="up",outcome="passed"\} 1/);
  const line = daemon.log.find((one) => one['halfClosed'] === 'downstream' && one['up'] === 6);
  t.match(line, {
    proto: /socks[45]/,
    command: 'connect',
    ip: taskIp,
    route: 'direct',
    verdict: 'allow',
    up: 6,
    down: 11,
  });
});

// The last, since the daemon keeps this process up.
t.test('the daemon ends as told', async (t) => {
  t.equal(await daemon.stop(), 0);
});
