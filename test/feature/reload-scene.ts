// A daemon whose proxies carry tunnels while its configuration changes: rules, users and targets are other ones at each reload.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isthmus, startDaemon } from './daemon.ts';

const state = { leader: 'master@10.0.0.1:5050', slaves: [], frameworks: [] };

interface Echo {
  readonly port: number;
}

/** Says its letter, then all that it hears. */
async function serveEcho(atEnd: (end: () => unknown) => void, letter: string): Promise<Echo> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    socket.write(letter);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => {
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

const isWorker = (pid: number): boolean =>
  readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes('ISTHMUS_ROLE=worker');

export interface ReloadResult {
  /** Processes that carried tunnels before the first reload and after the last. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Their descriptors with no tunnel open, before and after. */
  readonly descriptorsBefore: number;
  readonly descriptorsAfter: number;
  /** Sessions at the end of the reloads, as the metrics have them. */
  readonly active: number;
}

export interface ReloadOptions {
  readonly workers: number;
  readonly tunnels: number;
  readonly reloads: number;
}

/** Rejects where a tunnel is lost, bytes differ, or a newcomer is not judged by the configuration of now. */
export async function reloadUnderLoad(options: ReloadOptions): Promise<ReloadResult> {
  const ends: (() => unknown)[] = [];
  try {
    return await exercise(options, (end) => ends.unshift(end));
  } finally {
    for (const end of ends) await end();
  }
}

function expect(got: unknown, wanted: unknown, what: string): void {
  const [is, should] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (is !== should) throw new Error(`${what}: ${is} instead of ${should}`);
}

async function exercise(
  { workers, tunnels, reloads }: ReloadOptions,
  atEnd: (end: () => unknown) => void,
): Promise<ReloadResult> {
  const [a, b] = await Promise.all([serveEcho(atEnd, 'a'), serveEcho(atEnd, 'b')]);
  const hash = spawnSync(process.execPath, [isthmus, 'passwd', 'x'], { input: 'pw' })
    .stdout.toString()
    .replace(/^x/, '');
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-reload-'));
  atEnd(() => rmSync(directory, { recursive: true }));
  const files = { 'state.json': JSON.stringify(state), 'users-0': `ann${hash}`, 'users-1': `ben${hash}` };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
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
  atEnd(() => daemon.stop());
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
  expect(first.code, 0, 'the first');
  first.socket.destroy();
  const started = daemon.child.pid ?? 0;
  const processes = (): readonly number[] => (workers === 0 ? [started] : childrenOf(started).filter(isWorker));
  const serving = processes();
  expect(serving.length, Math.max(1, workers), 'processes');
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
  for (const client of clients) expect(await client.read(1), 'a', 'target');
  for (let i = 1; i <= reloads; i++) {
    writeFileSync(file, config(i));
    const ready = daemon.line((line) => line['msg'] === 'ready' && line['generation'] === i + 1);
    daemon.child.kill('SIGHUP');
    const traffic = Promise.all(clients.map((client, at) => pass(client, `${i}/${at}`)));
    expect((await ready)['degraded'], [], 'degraded');
    await traffic;
    const [bySocksNow, byConnectNow, forwarded] = await Promise.all([
      bySocks(socks, user(i), target(i)),
      byConnect(target(i)),
      dial(direct),
    ]);
    expect([bySocksNow.code, byConnectNow.code, await forwarded.read(1)], [0, 200, 'ab'[i % 2]], 'newcomers');
    const [otherSocks, otherConnect] = await Promise.all([
      bySocks(socks, user(i), target(i + 1)),
      byConnect(target(i + 1)),
    ]);
    expect([otherSocks.code, otherConnect.code], [2, 403], 'what the rules do not allow any more');
    for (const one of [bySocksNow, byConnectNow, forwarded, otherSocks, otherConnect]) one.socket.destroy();
  }
  await Promise.all(clients.map((client, at) => pass(client, `end ${at}`)));
  await eventually(async () => (await active()) === tunnels);
  const isActive = await active();
  for (const { socket } of clients) socket.destroy();
  await eventually(() => descriptorsOf(serving) <= before);
  return {
    before: serving,
    after: processes(),
    descriptorsBefore: before,
    descriptorsAfter: descriptorsOf(serving),
    active: isActive,
  };
}
