// One listener for everybody, with TLS and without, and a daemon behind another: users by `isthmus passwd`, HTTP beside SOCKS, and a rule
// that sends connections through a parent.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { needs } from '../needs.ts';
import { isthmus, startDaemon, type RunningDaemon } from './daemon.ts';

t.setTimeout(90_000);

const state = { leader: 'master@10.0.0.1:5050', slaves: [], frameworks: [] };

async function open(t: Test, directory: string, sections: string): Promise<RunningDaemon> {
  const daemon = await startDaemon(`
cluster: [{ file: { path: "${join(directory, 'state.json')}" } }]
${sections}
admin: { listen: "127.0.0.1:0" }
workers: 0
`);
  t.teardown(() => daemon.stop());
  return daemon;
}

async function curl(...args: readonly string[]): Promise<string> {
  const child = spawn('curl', ['-sS', '--max-time', '10', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return code === 0 ? out : `exit ${code}`;
}

t.test('SOCKS with users, HTTP and TLS on one listener, through a parent', { skip: needs('curl') }, async (t) => {
  const hashed = spawnSync(process.execPath, [isthmus, 'passwd', 'bob'], { input: 's3cret' }).stdout.toString();
  const directory = t.testdir({ 'state.json': JSON.stringify(state), 'users.yaml': hashed });
  const server = createServer((_request, response) => response.end('web'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  const to = `to: ["127.0.0.1"], ports: [${port}]`;
  const parent = await open(
    t,
    directory,
    `certs: [{ selfSigned: {} }]
socks: { listen: ["127.0.0.1:0"], tls: true, mixed: true }
httpProxy: { listen: ["127.0.0.1:0"], rules: [{ allow: { ${to} }, unsafe: true }] }`,
  );
  t.equal(await curl('--proxy-insecure', '-x', `https://${parent.address('socks')}`, url), 'web', 'HTTP inside TLS');
  t.match(await curl('-x', `http://${parent.address('socks')}`, url), /^exit/, 'nothing without TLS');
  const child = await open(
    t,
    directory,
    `parents: { up: ["http://${parent.address('httpProxy')}"] }
socks:
  listen: ["127.0.0.1:0"]
  mixed: true
  users: "${join(directory, 'users.yaml')}"
  rules: [{ allow: { users: [bob], ${to} }, via: up, unsafe: true }]
httpProxy: { listen: ["127.0.0.1:0"], rules: [{ allow: { ${to} }, unsafe: true }] }`,
  );
  const socks = child.address('socks');
  t.equal(await curl('-x', `socks5h://bob:s3cret@${socks}`, url), 'web', 'through the parent');
  t.equal(await curl('-x', `socks5h://bob:guess@${socks}`, url), 'exit 97');
  t.equal(await curl('-x', `http://${socks}`, url), 'web', 'HTTP on the same port');
  const line = await child.line((one) => one['user'] === 'bob' && one['verdict'] === 'allow');
  t.match(line, { route: `http://${parent.address('httpProxy')}`, ip: 'up!127.0.0.1' });
});
