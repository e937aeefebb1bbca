// The configuration changes under proxies that carry tunnels: rules, users and targets are other ones at once, in the processes that run, and
// no tunnel ends by it.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { isthmus, startDaemon } from './daemon.ts';

t.setTimeout(240_000);

const state = { leader: 'master@10.0.0.1:5050', slaves: [], frameworks: [] };

interface Echo {
  readonly port: number;
}

/** Says its letter, then all that it hears. */
async function serveEcho(t: Test, letter: string): Promise<Echo> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    socket.write(letter);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port };
}

interface Client {
  readonly socket: Socket;
  write(bytes: string): void;
  /** Exactly so many octets; rejects where the connection ends before them. */
  read(length: number): Promise<string>;
}

async function dial(port: number): Promise<Client> {
  const socket = connect({ port, host: '127.0.0.1' });
  let held = '';
  let gone = false;
  let wake = (): void => undefined;
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    held += chunk;
    wake();
  });
  socket.on('error', () => undefined);
  for (const event of ['end', 'close'])
    socket.once(event, () => {
      gone = true;
      wake();
    });
  await once(socket, 'connect');
  return {
    socket,
    write: (bytes) => void socket.write(bytes, 'latin1'),
    async read(length) {
      while (held.length < length) {
        if (gone) throw new Error(`the connection ended after ${JSON.stringify(held)}`);
        await new Promise<void>((resolve) => (wake = resolve));
      }
      const text = held.slice(0, length);
      held = held.slice(length);
      return text;
    },
  };
}

const portText = (port: number): string => String.fromCharCode(port >> 8, port & 255);

/** By SOCKS5 with a password; resolves with the reply's code. */
async function bySocks(port: number, user: string, target: number): Promise<Client & { readonly code: number }> {
  const client = await dial(port);
  client.write('\x05\x01\x02');
  await client.read(2);
  client.write(`\x01${String.fromCharCode(user.length)}${user}\x02pw`);
  await client.read(2);
  client.write(`\x05\x01\x00\x01\x7f\x00\x00\x01${portText(target)}`);
  const reply = await client.read(10);
  return { ...client, code: reply.charCodeAt(1) };
}

const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

const descriptorsOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);

async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await isSo()) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
}

const count = (metrics: string, name: string): number =>
  [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)`, 'gm'))].reduce((sum, [, n]) => sum + Number(n), 0);

async function exercise(t: Test, workers: number, tunnels: number, reloads: number): Promise<void> {
  const [a, b] = await Promise.all([serveEcho(t, 'a'), serveEcho(t, 'b')]);
  const hash = spawnSync(process.execPath, [isthmus, 'passwd', 'x'], { input: 'pw' })
    .stdout.toString()
    .replace(/^x/, '');
  const directory = t.testdir({
    'state.json': JSON.stringify(state),
    'users-0': `ann${hash}`,
    'users-1': `ben${hash}`,
  });
  const target = (i: number): number => (i % 2 === 0 ? a.port : b.port);
  const user = (i: number): string => (i % 2 === 0 ? 'ann' : 'ben');
  const config = (i: number): string => `
cluster: [{ file: { path: "${join(directory, 'state.json')}" } }]
socks:
  listen: ["127.0.0.1:0"]
  users: "${join(directory, `users-${i % 2}`)}"
  rules: [{ allow: { to: ["127.0.0.1"], ports: [${target(i)}] }, unsafe: true }]
httpProxy:
  listen: ["127.0.0.1:0"]
  rules: [{ allow: { to: ["127.0.0.1"], ports: [${target(i)}] }, unsafe: true }]
forwards: [{ listen: "127.0.0.1:0", to: "127.0.0.1:${target(i)}", from: ["127.0.0.0/8"] }]
admin: { listen: "127.0.0.1:0" }
workers: ${workers}
`;
  const daemon = await startDaemon(config(0));
  t.teardown(() => daemon.stop());
  const file = join(daemon.directory, 'isthmus.yaml');
  const socks = daemon.port('socks');
  const proxy = daemon.port('httpProxy');
  const direct = daemon.port('forwards');
  const byConnect = async (port: number): Promise<Client & { readonly code: number }> => {
    const client = await dial(proxy);
    client.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const line = await client.read(12);
    for (let last = ''; !last.endsWith('\r\n\r\n');) last += await client.read(1);
    return { ...client, code: Number(line.slice(9)) };
  };
  const pass = async (client: Client, text: string): Promise<void> => {
    client.write(text);
    const back = await client.read(text.length);
    if (back !== text) throw new Error(`${back} instead of ${text}`);
  };
  const first = await bySocks(socks, 'ann', a.port);
  t.equal(first.code, 0);
  first.socket.destroy();
  const started = daemon.child.pid ?? 0;
  const processes = (): readonly number[] => (workers === 0 ? [started] : childrenOf(started).filter(isWorker));
  const serving = processes();
  t.equal(serving.length, Math.max(1, workers));
  const active = async (): Promise<number> => {
    const metrics = await daemon.get('/metrics');
    return ['socks', 'egress', 'forwards'].reduce(
      (sum, name) => sum + count(metrics, `isthmus_${name}_sessions_active`),
      0,
    );
  };
  await eventually(async () => (await active()) === 0);
  const before = descriptorsOf(serving);
  const clients: Client[] = [];
  for (let at = 0; at < tunnels; at += 20) {
    const kinds = [() => bySocks(socks, 'ann', a.port), () => byConnect(a.port), () => dial(direct)];
    clients.push(
      ...(await Promise.all(Array.from({ length: 20 }, (_, i) => (kinds[i % 3] as () => Promise<Client>)()))),
    );
  }
  for (const client of clients) t.equal(await client.read(1), 'a');
  for (let i = 1; i <= reloads; i++) {
    writeFileSync(file, config(i));
    const ready = daemon.line((line) => line['msg'] === 'ready' && line['generation'] === i + 1);
    daemon.child.kill('SIGHUP');
    const traffic = Promise.all(clients.map((client, at) => pass(client, `${i}/${at}`)));
    t.same((await ready)['degraded'], []);
    await traffic;
    const [bySocksNow, byConnectNow, forwarded] = await Promise.all([
      bySocks(socks, user(i), target(i)),
      byConnect(target(i)),
      dial(direct),
    ]);
    t.same([bySocksNow.code, byConnectNow.code, await forwarded.read(1)], [0, 200, 'ab'[i % 2]]);
    const [otherSocks, otherConnect] = await Promise.all([
      bySocks(socks, user(i), target(i + 1)),
      byConnect(target(i + 1)),
    ]);
    t.same([otherSocks.code, otherConnect.code], [2, 403], 'rules are those of now');
    for (const one of [bySocksNow, byConnectNow, forwarded, otherSocks, otherConnect]) one.socket.destroy();
  }
  t.same(processes(), serving, 'the same processes');
  await Promise.all(clients.map((client, at) => pass(client, `end ${at}`)));
  await eventually(async () => (await active()) === tunnels);
  t.equal(await active(), tunnels, 'what is gone is none of these');
  for (const { socket } of clients) socket.destroy();
  await eventually(() => descriptorsOf(serving) <= before);
  t.ok(descriptorsOf(serving) <= before, 'no descriptor is left behind');
}

const isWorker = (pid: number): boolean =>
  readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes('ISTHMUS_ROLE=worker');

t.test('in one process', { skip: process.platform !== 'linux' && 'looks into /proc' }, (t) => exercise(t, 0, 40, 4));
t.test('in workers', { skip: process.platform !== 'linux' && 'looks into /proc' }, (t) => exercise(t, 2, 200, 10));
