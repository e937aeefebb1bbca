// OCSP answers are stapled where the certificate names a responder: openssl answers, and openssl looks.

import { spawn, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import t from 'tap';
import { testAuthority, type TestAuthority } from '../certs/authority.ts';
import { needs } from '../needs.ts';
import { eventually } from './cluster.ts';
import { askTls, issueByOpenssl, openssl, startSite, together } from './tls-site.ts';

t.setTimeout(110_000);

/** Answers by `openssl ocsp`, one process a question; `index` has the states. */
async function responder(folder: string): Promise<{ readonly server: Server; readonly url: string; asked: number }> {
  const signer = [
    '-index',
    'index.txt',
    '-CA',
    'middle.pem',
    '-rsigner',
    'middle.pem',
    '-rkey',
    'middle.key',
    '-ndays',
    '7',
  ];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      made.asked++;
      const question = `question-${made.asked}.der`;
      writeFileSync(join(folder, question), Buffer.concat(parts));
      const options = ['ocsp', ...signer, '-reqin', question, '-respout', '-'];
      const child: ChildProcess = spawn('openssl', options, { cwd: folder });
      response.setHeader('content-type', 'application/ocsp-response');
      child.stdout?.pipe(response);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const made = { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ocsp`, asked: 0 };
  return made;
}

const rowOf = (leaf: string, state: 'V' | 'R'): string =>
  `${state}\t491231235959Z\t${state === 'R' ? '261101000000Z' : ''}\t${new X509Certificate(leaf).serialNumber}\tunknown\t/CN=x\n`;

/** What is stapled; null: nothing. */
function stapleOf(port: number, servername: string, ca: TestAuthority): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername, ca: ca.certificate, requestOCSP: true });
    socket.once('OCSPResponse', (answer: Buffer | null) => {
      resolve(answer);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

t.test('stapled, or not', { skip: needs('openssl') }, async (t) => {
  const ca = testAuthority();
  const middle = ca.intermediate('middle CA');
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-ocsp-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const made = await responder(folder);
  t.teardown(() => made.server.close());
  const extensions = [`authorityInfoAccess=OCSP;URI:${made.url}`];
  const newkey = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  const leafOf = (name: string, added: readonly string[] = extensions) =>
    issueByOpenssl(middle, { names: [name], newkey, extensions: added });
  const [good, revoked, silent] = [leafOf('good.example'), leafOf('revoked.example'), leafOf('silent.example', [])];
  const rows = [rowOf(good.certificate, 'V'), rowOf(revoked.certificate, 'R')];
  for (const [name, text] of [
    ['ca.pem', ca.certificate],
    ['middle.pem', middle.certificate],
    ['middle.key', middle.key],
    ['index.txt', rows.join('')],
    ['good.pem', good.certificate],
  ] as const)
    writeFileSync(join(folder, name), text);
  const files = {
    'good.pem': `${together(good)}${middle.certificate}`,
    'revoked.pem': `${together(revoked)}${middle.certificate}`,
    'silent.pem': `${together(silent)}${middle.certificate}`,
  };
  for (const workers of [0, 1]) {
    made.asked = 0;
    const site = await startSite({ workers, files, hosts: ['good.example', 'revoked.example', 'silent.example'] });
    t.teardown(() => site.close());
    const ask = (): Promise<Buffer | null> => stapleOf(site.port, 'good.example', ca);
    const answer = await eventually('a staple', 30_000, ask, (seen) => seen !== null && seen.length > 0);
    writeFileSync(join(folder, 'staple.der'), answer ?? '');
    const issuer = ['-issuer', 'middle.pem', '-cert', 'good.pem', '-CAfile', 'ca.pem'];
    t.match(openssl(folder, 'ocsp', '-respin', 'staple.der', ...issuer), /good.pem: good/, 'openssl believes it');
    await site.daemon.line(({ msg }) => /revoked/.test(String(msg)));
    t.same(await stapleOf(site.port, 'revoked.example', ca), null, 'a revoked one is said, and nothing stapled');
    t.same(await stapleOf(site.port, 'silent.example', ca), null, 'nor where no responder is named');
    t.equal(made.asked, 2, 'asked once each, whatever the handshakes');
    for (const host of ['good.example', 'revoked.example', 'silent.example'])
      t.equal((await askTls(site.port, host, host, { ca: ca.certificate })).status, 200, host);
  }
});
