// pebble, Let's Encrypt's own test authority, behind a front that knows ARI (RFC 9773), which pebble lacks, and can play dead. All on an
// address of the loopback network that is this test's alone, so that its ports are.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type RequestOptions, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testAuthority } from '../certs/authority.ts';
import { eventually } from './cluster.ts';

export interface PebbleOptions {
  /** Where it looks for proofs. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** Percent of good nonces that it turns down. */
  readonly refusedNonces: number;
  /** kid → MAC key, base64url: it takes no account without. */
  readonly bindings?: Readonly<Record<string, string>>;
}

export interface AuthorityFront {
  /** Of the directory. */
  readonly url: string;
  /** PEM file: who signed the front's own certificate. */
  readonly caFile: string;
  /** The management address of pebble's DNS: TXT records are set there. */
  readonly dns: string;
  /** Until then the front answers nobody. */
  begin(options: PebbleOptions): Promise<void>;
  /** Certificates are signed by this one, PEM. */
  root(): Promise<string>;
  /** All that were issued before are to be renewed now. */
  askRenewal(): void;
  /** RFC 9773 identifiers that orders said they replace. */
  readonly replaced: readonly string[];
  setDown(isDown: boolean): void;
  close(): Promise<void>;
}

let fronts = 0;

export async function startAuthorityFront(): Promise<AuthorityFront> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-pebble-'));
  const own = testAuthority('CA of the authority');
  const served = own.issue(['127.0.0.1', 'localhost']);
  writeFileSync(join(folder, 'ca.pem'), own.certificate);
  writeFileSync(join(folder, 'cert.pem'), served.certificate);
  writeFileSync(join(folder, 'key.pem'), served.key);
  const address = `127.${((process.pid >> 8) & 0x7f) | 0x80}.${process.pid & 0xff}.${++fronts}`;
  const children: ChildProcess[] = [];
  const replaced: string[] = [];
  const sockets = new Set<Socket>();
  const state = { isDown: true, renewBefore: 0 };
  const front = createServer({ cert: served.certificate, key: served.key }, (incoming, outgoing) => {
    void answer(incoming, outgoing, { pebble: { host: address, port: 14_000, ca: own.certificate }, state, replaced });
  });
  front.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    if (state.isDown) socket.destroy();
  });
  const port = await listen(front);
  return {
    url: `https://127.0.0.1:${port}/dir`,
    caFile: join(folder, 'ca.pem'),
    dns: `http://${address}:8055`,
    async begin({ httpPort, tlsPort, refusedNonces, bindings }) {
      const config = {
        listenAddress: `${address}:14000`,
        managementListenAddress: `${address}:15000`,
        certificate: join(folder, 'cert.pem'),
        privateKey: join(folder, 'key.pem'),
        httpPort,
        tlsPort,
        externalAccountBindingRequired: bindings !== undefined,
        ...(bindings === undefined ? {} : { externalAccountMACKeys: bindings }),
      };
      writeFileSync(join(folder, 'pebble.json'), JSON.stringify({ pebble: config }));
      const dns = ['-dns01', `${address}:8053`, '-management', `${address}:8055`, '-defaultIPv6', ''];
      children.push(run('pebble-challtestsrv', [...dns, '-http01', '', '-https01', '', '-tlsalpn01', '']));
      const env = { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: String(refusedNonces) };
      children.push(run('pebble', ['-config', join(folder, 'pebble.json'), '-dnsserver', `${address}:8053`], env));
      const directory = { host: address, port: 14_000, ca: own.certificate, path: '/dir' };
      const look = (): Promise<boolean> =>
        read(directory).then(
          () => true,
          () => false,
        );
      await eventually('pebble answers', 30_000, look, (isThere) => isThere);
      state.isDown = false;
    },
    root: () => read({ host: address, port: 15_000, ca: own.certificate, path: '/roots/0' }),
    askRenewal: () => void (state.renewBefore = Date.now()),
    replaced,
    setDown(isDown) {
      state.isDown = isDown;
      if (isDown) for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const child of children) child.kill('SIGKILL');
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => front.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface Behind {
  readonly pebble: RequestOptions;
  readonly state: { readonly isDown: boolean; readonly renewBefore: number };
  readonly replaced: string[];
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse, behind: Behind): Promise<void> {
  const body = await textOf(incoming);
  const path = incoming.url ?? '/';
  if (path.startsWith('/renewal-info/')) {
    outgoing.setHeader('retry-after', '1');
    outgoing.setHeader('content-type', 'application/json');
    outgoing.end(JSON.stringify(advice(path.slice('/renewal-info/'.length), behind)));
    return;
  }
  noteReplaced(body, behind.replaced);
  const { method = 'GET', headers: fields } = incoming;
  const options = { ...behind.pebble, method, path, headers: fields, checkServerIdentity: () => undefined };
  const call = request(options, (reply) => {
    void textOf(reply).then((text) => {
      const isDirectory = path === '/dir';
      const { 'content-length': _length, ...headers } = reply.headers;
      outgoing.writeHead(reply.statusCode ?? 500, headers);
      outgoing.end(isDirectory ? withRenewalInfo(text, incoming.headers.host ?? '') : text);
    });
  });
  call.on('error', () => outgoing.destroy());
  call.end(body);
}

const withRenewalInfo = (directory: string, host: string): string =>
  JSON.stringify({ ...(JSON.parse(directory) as object), renewalInfo: `https://${host}/renewal-info` });

const dayMs = 86_400_000;
const seen = new Map<string, number>();

/** For a certificate that was known before the renewal was asked for: a window that is over. For others one that is far away. */
function advice(id: string, { state }: Behind): object {
  const since = seen.get(id) ?? Date.now();
  seen.set(id, since);
  const at = since < state.renewBefore ? Date.now() - dayMs : Date.now() + 30 * dayMs;
  const [start, end] = [at, at + dayMs / 2].map((one) => new Date(one).toISOString());
  return { suggestedWindow: { start, end } };
}

function noteReplaced(body: string, replaced: string[]): void {
  try {
    const { payload } = JSON.parse(body) as { readonly payload: string };
    const order = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { readonly replaces?: string };
    if (order.replaces !== undefined) replaced.push(order.replaces);
  } catch {
    // Not every request has a body, nor every body a payload.
  }
}

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const child = spawn(command, args, { stdio: 'ignore', env: { ...process.env, ...env } });
  // Also where the test ends by its own time limit.
  process.once('exit', () => child.kill('SIGKILL'));
  return child;
}

function read(options: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(
      { ...options, agent: false, timeout: 5_000, checkServerIdentity: () => undefined },
      (reply) => {
        textOf(reply).then(resolve, reject);
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', reject);
    call.end();
  });
}

async function textOf(stream: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
}
