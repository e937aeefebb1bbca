// The HTTP proxy behind TLS, by curl and as the parent of another daemon; and its session log in squid's words.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { needs } from '../needs.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(180_000);

const state = JSON.stringify({ leader: 'master@10.0.0.1:5050', slaves: [], frameworks: [] });

async function curl(...args: readonly string[]): Promise<string> {
  const child = spawn('curl', ['-sS', '--max-time', '20', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return code === 0 ? out : `exit ${code}`;
}

t.test('HTTPS proxy and HTTPS parent', { skip: needs('curl', 'openssl') }, async (t) => {
  const directory = t.testdir({ 'state.json': state, certs: {} });
  const [certificate, key] = [join(directory, 'certs', 'a.pem'), join(directory, 'certs', 'a.key')];
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=proxy.example', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:proxy.example'],
    ...['-keyout', key, '-out', certificate],
  ]);
  t.equal(made.status, 0, made.stderr.toString());
  const server = createServer((_request, response) => response.end('web'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  const rule = (more: string): string => `{ allow: { to: ["127.0.0.1"], ports: [${port}] }, unsafe: true${more} }`;
  const cluster = `cluster: [{ file: { path: "${join(directory, 'state.json')}" } }]`;
  const log = join(directory, 'sessions.log');
  const parent = await startDaemon(`
${cluster}
certs: [{ directory: "${join(directory, 'certs')}" }]
httpProxy: { listen: ["127.0.0.1:0"], tls: true, rules: [${rule('')}], sessionLog: { path: "${log}", format: squid } }
admin: { listen: "127.0.0.1:0" }
workers: 0
`);
  t.teardown(() => parent.stop());
  t.same(parent.ready.degraded, []);
  const proxy = parent.address('httpProxy');
  t.equal(await curl('--proxy-cacert', certificate, '-x', `https://${proxy}`, url), 'web');
  t.equal(await curl('--proxy-cacert', certificate, '-p', '-x', `https://${proxy}`, url), 'web', 'by CONNECT');
  t.match(await curl('-x', `http://${proxy}`, url), /^exit/, 'nothing without TLS');

  const former = process.env['NODE_EXTRA_CA_CERTS'];
  process.env['NODE_EXTRA_CA_CERTS'] = certificate;
  const child = await startDaemon(`
${cluster}
parents: { up: ["https://${proxy}"] }
socks: { listen: ["127.0.0.1:0"], rules: [${rule(', via: up')}] }
admin: { listen: "127.0.0.1:0" }
workers: 0
`).finally(() => {
    if (former === undefined) delete process.env['NODE_EXTRA_CA_CERTS'];
    else process.env['NODE_EXTRA_CA_CERTS'] = former;
  });
  t.teardown(() => child.stop());
  t.equal(await curl('-x', `socks5h://${child.address('socks')}`, url), 'web', 'through the parent');
  const line = await child.line((one) => one['verdict'] === 'allow');
  t.match(line, { route: `https://${proxy}`, ip: 'up!127.0.0.1' });

  const deadline = Date.now() + 30_000;
  const lines = (): readonly string[] => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);
  while (lines().length < 3 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  const place = `127.0.0.1:${port}`;
  t.ok(
    lines().some(
      (one) => one.includes(` TCP_MISS/200 `) && one.includes(`GET http://${place}/ - HIER_DIRECT/127.0.0.1`),
    ),
  );
  t.equal(
    lines().filter((one) => one.includes(`TCP_TUNNEL/200 `) && one.includes(`CONNECT ${place} - HIER_DIRECT/`)).length,
    2,
  );
});
