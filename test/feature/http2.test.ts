// HTTP/2 at the daemon as browsers and other proxies reach it: over TLS by ALPN, in the clear where router.h2c says so.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { testAuthority } from '../certs/authority.ts';
import { needs } from '../needs.ts';
import { startDaemon } from './daemon.ts';

const run = promisify(execFile);
t.setTimeout(60_000);

const ca = testAuthority();

async function openBackend(): Promise<Server> {
  const backend = createServer((request, response) => {
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  return backend;
}

interface Answer {
  readonly status: number;
  readonly body: { readonly url: string; readonly headers: Readonly<Record<string, string>> } | null;
}

async function ask(session: ClientHttp2Session, host: string, path = '/'): Promise<Answer> {
  const stream = session.request({ ':authority': host, ':path': path });
  let text = '';
  stream.on('data', (part: Buffer) => (text += part.toString()));
  const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  await once(stream, 'end');
  const status = Number(head[':status']);
  return { status, body: status === 200 ? (JSON.parse(text) as Answer['body']) : null };
}

for (const workers of [0, 1]) {
  t.test(`with ${workers} workers`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-h2-'));
    mkdirSync(join(folder, 'certs'));
    const leaf = ca.issue(['a.example', 'b.example']);
    writeFileSync(join(folder, 'certs', 'a.pem'), `${leaf.certificate}${leaf.key}`);
    writeFileSync(join(folder, 'ca.pem'), ca.certificate);
    writeFileSync(join(folder, 'cluster.json'), '{"id":"m","pid":"master@127.0.0.1:5050","frameworks":[],"slaves":[]}');
    const backend = await openBackend();
    const to = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`;
    const daemon = await startDaemon(`
cluster: [{ file: { path: "${folder}/cluster.json" } }]
router:
  http: ["127.0.0.1:0"]
  https: ["127.0.0.1:0"]
  h2c: true
  routes: [{ host: a.example, to: ["${to}"] }, { host: b.example, to: ["${to}"] }, { host: other.example, to: ["${to}"] }]
certs: [{ directory: "${folder}/certs" }]
admin: { listen: "127.0.0.1:0" }
store: { dir: "${folder}/store" }
workers: ${workers}
`);
    t.teardown(async () => {
      await daemon.stop();
      backend.close();
      backend.closeAllConnections();
      rmSync(folder, { recursive: true, force: true });
    });
    const port = daemon.port('router.https');

    await t.test('over TLS, several hosts on one connection', async (t) => {
      const session = connect(`https://127.0.0.1:${port}`, { servername: 'a.example', ca: ca.certificate });
      t.teardown(() => session.destroy());
      await once(session, 'remoteSettings');
      t.equal(session.alpnProtocol, 'h2');
      const { status, body } = await ask(session, 'a.example', '/x?y');
      t.equal(status, 200);
      t.equal(body?.url, '/x?y');
      t.equal(body?.headers['x-forwarded-proto'], 'https');
      t.equal((await ask(session, 'b.example')).status, 200);
      t.equal((await ask(session, 'other.example')).status, 421, 'not of this certificate');
    });

    await t.test('in the clear', async (t) => {
      const session = connect(`http://127.0.0.1:${daemon.port('router.http')}`);
      t.teardown(() => session.destroy());
      const { body } = await ask(session, 'a.example');
      t.equal(body?.headers['x-forwarded-proto'], 'http');
    });

    await t.test('curl chooses it', { skip: needs('curl') }, async (t) => {
      const args = ['-sS', '--cacert', join(folder, 'ca.pem'), '--resolve', `a.example:${port}:127.0.0.1`];
      const told = ['-o', '/dev/null', '-w', '%{http_version} %{http_code}'];
      const two = await run('curl', [...args, ...told, `https://a.example:${port}/`]);
      t.equal(two.stdout, '2 200');
      const one = await run('curl', [...args, ...told, '--http1.1', `https://a.example:${port}/`]);
      t.equal(one.stdout, '1.1 200');
    });
  });
}
