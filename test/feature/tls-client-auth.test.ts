// A host that asks for client certificates beside hosts that do not, on one port and under one certificate: no way in without one, neither
// by resumption nor by another host's connection, over HTTP/1.1 and HTTP/2.

import { once } from 'node:events';
import { request } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import type { ConnectionOptions } from 'node:tls';
import t, { type Test } from 'tap';
import { testAuthority } from '../certs/authority.ts';
import { anyName, askTls, startSite, together, type Site } from './tls-site.ts';

t.setTimeout(110_000);

const ca = testAuthority();
const clientCa = testAuthority('client CA');
const mine = clientCa.issueClient('client.example');
const foreign = testAuthority('another CA').issueClient('client.example');
const own = { cert: mine.certificate, key: mine.key };
const strange = { cert: foreign.certificate, key: foreign.key };

function start(workers: number): Promise<Site> {
  return startSite({
    workers,
    files: {
      'a.pem': together(ca.issue(['a.example'])),
      // Browsers use one connection for all of them.
      'several.pem': together(ca.issue(['partner.example', 'maybe.example', 'b.example'])),
    },
    hosts: ['a.example', 'b.example', 'partner.example', 'maybe.example'],
    beside: { 'clients.pem': clientCa.certificate },
    tls: `
    clientAuth:
      - { hosts: [partner.example], ca: "{folder}/clients.pem", mode: required }
      - { hosts: [maybe.example], ca: "{folder}/clients.pem", mode: optional }`,
  });
}

async function overHttp1({ port }: Site, t: Test, version: 'TLSv1.2' | 'TLSv1.3'): Promise<void> {
  const at = { ca: ca.certificate, minVersion: version, maxVersion: version };
  const ask = (servername: string, host: string, options: ConnectionOptions = {}) =>
    askTls(port, servername, host, { ...at, ...options });
  const partner = (options: ConnectionOptions = {}) => ask('partner.example', 'partner.example', options);
  const ok = await partner(own);
  t.equal(ok.status, 200, 'with a certificate');
  const sent = (JSON.parse(ok.body) as { headers: Record<string, string> }).headers['client-cert'] ?? '';
  t.match(sent, /^:[A-Za-z0-9+/=]+:$/, 'the backend is told of it');
  await t.rejects(partner(), 'without');
  await t.rejects(partner(strange), 'of another authority');
  await t.rejects(ask('maybe.example', 'maybe.example', strange), 'not even where it is optional');
  const maybe = await ask('maybe.example', 'maybe.example');
  t.equal(maybe.status, 200, 'optional: without');
  const open = await ask('a.example', 'a.example');
  const sibling = await ask('b.example', 'b.example');
  t.equal(open.status, 200, 'the public host asks for nothing');
  for (const host of ['partner.example', 'partner.example:443', 'PARTNER.example', 'maybe.example'])
    t.equal((await ask('b.example', host)).status, 421, `switching hosts on a connection: ${host}`);
  t.equal((await ask('maybe.example', 'partner.example', own)).status, 421, 'from where it is optional');
  t.equal((await ask('', 'partner.example', anyName)).status, 421, 'without a name');
  // Of several workers any may hear it: the keys of tickets are theirs together.
  for (let i = 0; i < 4; i++) {
    const again = await ask('a.example', 'a.example', { session: open.session ?? undefined });
    t.match(again, { status: 200, resumed: true }, 'a session of the public host is resumed there');
    for (const { session } of [open, sibling, maybe]) {
      await t.rejects(partner({ session: session ?? undefined }), 'and opens no other host');
      t.match(await partner({ ...own, session: session ?? undefined }), { status: 200, resumed: false }, 'for anybody');
    }
    const kept = await partner({ session: ok.session ?? undefined });
    t.match(kept, { status: 200, resumed: true }, 'a session with a certificate is resumed with it');
    t.match(kept.body, 'client-cert', 'and the backend is told again');
  }
  const forged = await ask('a.example', 'a.example', { session: ok.session ?? undefined });
  t.equal(forged.resumed, false, 'but on its own host alone');
}

/** Statuses of one connection's requests, one after another. */
async function overHttp2(
  { port }: Site,
  servername: string,
  hosts: readonly string[],
  options: ConnectionOptions = {},
): Promise<readonly number[]> {
  const session: ClientHttp2Session = connectHttp2(`https://${servername}:${port}`, {
    ca: ca.certificate,
    host: '127.0.0.1',
    servername,
    ...options,
  });
  try {
    await once(session, 'connect');
    const statuses: number[] = [];
    for (const host of hosts) {
      const stream = session.request({ ':authority': host });
      const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
      statuses.push(Number(head[':status']));
      await once(stream.resume(), 'end');
    }
    return statuses;
  } finally {
    session.destroy();
  }
}

/** Without TLS. */
async function plain(port: number, host: string): Promise<number> {
  const call = request({ port, host: '127.0.0.1', agent: false, headers: { host } }).end();
  const [answer] = (await once(call, 'response')) as [{ readonly statusCode: number; resume(): void }];
  answer.resume();
  return answer.statusCode;
}

for (const workers of [0, 2]) {
  t.test(`${workers} workers`, async (t) => {
    const site = await start(workers);
    t.teardown(() => site.close());
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) await t.test(version, (t) => overHttp1(site, t, version));
    const shared = ['b.example', 'partner.example', 'b.example', 'maybe.example', 'b.example'];
    t.same(await overHttp2(site, 'b.example', shared), [200, 421, 200, 421, 200], 'one connection for several hosts');
    t.same(await overHttp2(site, 'partner.example', ['partner.example', 'b.example'], own), [200, 421]);
    await t.rejects(overHttp2(site, 'partner.example', ['partner.example']), 'over HTTP/2 without a certificate');
    t.equal(await plain(site.daemon.port('router.http'), 'partner.example'), 403, 'nor without TLS');
    t.equal(await plain(site.daemon.port('router.http'), 'a.example'), 200);
  });
}
