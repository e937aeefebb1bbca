// h2spec's questions, asked of the daemon in front of a backend: over TLS and in the clear. Each case has a connection of its own.

import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect as connectTcp, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { preface } from '../../proxies/http2/frame-words.ts';
import { testAuthority } from '../certs/authority.ts';
import { acknowledgement, FrameClient, settings } from '../proxies/http2/frame-client.ts';
import { specCases } from '../proxies/http2/spec-cases.ts';
import type { SpecCase } from '../proxies/http2/spec-words.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(120_000);

const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-h2-rules-'));
const ca = testAuthority();
const leaf = ca.issue(['a.example']);
mkdirSync(join(folder, 'certs'));
writeFileSync(join(folder, 'certs', 'a.pem'), `${leaf.certificate}${leaf.key}`);
writeFileSync(join(folder, 'cluster.json'), '{"id":"m","pid":"master@127.0.0.1:5050","frameworks":[],"slaves":[]}');
const backend = createServer((incoming, response) => {
  incoming.on('end', () => response.end('hello from the backend')).resume();
});
backend.listen(0, '127.0.0.1');
await once(backend, 'listening');
const daemon = await startDaemon(`
cluster: [{ file: { path: "${folder}/cluster.json" } }]
router:
  http: ["127.0.0.1:0"]
  https: ["127.0.0.1:0"]
  h2c: true
  routes: [{ host: a.example, to: ["http://127.0.0.1:${(backend.address() as AddressInfo).port}"] }]
certs: [{ directory: "${folder}/certs" }]
admin: { listen: "127.0.0.1:0" }
store: { dir: "${folder}/store" }
workers: 0
`);
t.teardown(async () => {
  await daemon.stop();
  backend.close();
  backend.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

async function overTls(): Promise<Socket> {
  const port = daemon.port('router.https');
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    servername: 'a.example',
    ca: ca.certificate,
    ALPNProtocols: ['h2'],
  });
  await once(socket, 'secureConnect');
  return socket;
}

async function inTheClear(): Promise<Socket> {
  const socket = connectTcp(daemon.port('router.http'), '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

async function converse(socket: Socket, { steps, accepted, greets }: SpecCase): Promise<string> {
  const client = new FrameClient(socket);
  if (greets) {
    client.send(preface, settings([4, 65_535]), acknowledgement);
    await client.until('settings');
    await client.until('settings ack');
    client.events.length = 0;
  }
  for (const step of steps) {
    if (step instanceof RegExp) await client.until(step);
    else client.send(step);
  }
  return client.until(accepted);
}

for (const [how, open] of [
  ['over TLS', overTls],
  ['in the clear', inTheClear],
] as const) {
  t.test(how, async (t) => {
    for (const one of specCases) {
      const socket = await open();
      const name = `${one.section}: ${one.what}`;
      await converse(socket, one).then(
        (event) => t.pass(`${name}: ${event}`),
        (error: unknown) => t.fail(`${name}: ${(error as Error).message}`),
      );
      socket.destroy();
    }
  });
}
