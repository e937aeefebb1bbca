// The router over TLS, as clients see it: the certificate by name, hosts that ask for client certificates beside hosts that do not,
// resumption, redirects, PROXY headers, files that change under load.

import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { createServer as createHttpServer, request, type Server } from 'node:http';
import { connect as connectTcp, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import t from 'tap';
import type { KeyedCertificate } from '../../certs/index.ts';
import { testAuthority } from '../certs/authority.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';

t.setTimeout(110_000);

const ca = testAuthority();
const clientCa = testAuthority('client CA');

interface Place {
  readonly daemon: RunningDaemon;
  readonly folder: string;
  close(): Promise<void>;
}

/** Answers with what it was sent. */
function echo(): Server {
  return createHttpServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
}

const together = ({ certificate, key }: KeyedCertificate): string => `${certificate}${key}`;

async function start(workers: number, files: Readonly<Record<string, string>>, extra = ''): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-certs-'));
  mkdirSync(join(folder, 'certs'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'certs', name), text);
  writeFileSync(join(folder, 'clients.pem'), clientCa.certificate);
  writeFileSync(join(folder, 'cluster.json'), '{"id":"m","pid":"master@127.0.0.1:5050","frameworks":[],"slaves":[]}');
  const backend = echo();
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  const to = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`;
  const hosts = ['a.example', 'b.example', 'other.example', 'partner.example', 'maybe.example', '*.wild.example'];
  const daemon = await startDaemon(
    `
cluster: [{ file: { path: "${folder}/cluster.json" } }]
router:
  http: ["127.0.0.1:0"]
  https: ["127.0.0.1:0"]
  routes:
${hosts.map((host) => `    - { host: "${host}", to: ["${to}"] }`).join('\n')}
  tls:
    clientAuth:
      - { hosts: [partner.example], ca: "${folder}/clients.pem", mode: required }
      - { hosts: [maybe.example], ca: "${folder}/clients.pem", mode: optional }
${extra}
certs: [{ directory: "${folder}/certs" }]
admin: { listen: "127.0.0.1:0" }
store: { dir: "${folder}/store" }
workers: ${workers}
`,
    { patienceMs: 60_000 },
  );
  return {
    daemon,
    folder,
    async close() {
      await daemon.stop();
      backend.close();
      backend.closeAllConnections();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** First name of the certificate. */
  readonly names: string;
  readonly resumed: boolean;
  readonly session: Buffer | null;
}

/** One request on a connection of its own. Rejects where the handshake or the connection fails. */
function ask(port: number, servername: string, host: string, options: ConnectionOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sni = servername === '' ? {} : { servername };
    const socket: TLSSocket = connect({ port, host: '127.0.0.1', ca: ca.certificate, ...sni, ...options });
    let text = '';
    let session: Buffer | null = null;
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer in time')));
    socket.on('session', (one) => (session = one));
    socket.on('secureConnect', () => socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`));
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', body = ''] = text.split('\r\n\r\n');
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0);
      if (status === 0) reject(new Error('closed without an answer'));
      else resolve({ status, body, names, resumed, session });
    });
    let names = '';
    let resumed = false;
    socket.on('secureConnect', () => {
      names = socket.getPeerCertificate().subjectaltname ?? '';
      resumed = socket.isSessionReused();
    });
  });
}

const anyName = { checkServerIdentity: () => undefined };
const portOf = ({ daemon }: Place): number => daemon.port('router.https');

t.test('certificates by name, the default, 421, redirects of fields, for one process and for workers', async (t) => {
  for (const workers of [0, 2]) {
    const place = await start(workers, {
      '1-a.pem': together(ca.issue(['a.example', 'b.example'])),
      '2-wild.crt': ca.issue(['*.wild.example']).certificate,
      'other.pem': together(ca.issue(['other.example'])),
      'partner.pem': together(ca.issue(['partner.example', 'maybe.example'])),
    });
    t.teardown(() => place.close());
    const port = portOf(place);
    const a = await ask(port, 'a.example', 'a.example');
    t.match(a, { status: 200, names: 'DNS:a.example, DNS:b.example' }, 'an exact name');
    t.match(JSON.parse(a.body), { headers: { 'x-forwarded-proto': 'https', 'x-forwarded-port': String(port) } });
    t.equal((await ask(port, 'a.example', 'b.example')).status, 200, 'a host that the certificate covers');
    t.equal((await ask(port, 'a.example', 'other.example')).status, 421, 'a host that it does not');
    t.equal((await ask(port, 'unknown.example', 'unknown.example', anyName)).names, a.names, 'the default');
    t.match(await ask(port, '', 'a.example', anyName), { status: 200, names: a.names }, 'without a name');
    t.match(place.daemon.ready.degraded.join('\n'), /2-wild.crt: there is no key for it/, 'what is wrong is said');
    const listed = await place.daemon.json<{ name: string; origin: string }[]>('/v1/certs');
    t.same(listed.map(({ name }) => name).sort(), ['a.example', 'other.example', 'partner.example']);
    t.notMatch(await place.daemon.get('/v1/certs'), /PRIVATE/, 'no key is shown');
    t.notMatch(JSON.stringify(place.daemon.log), /PRIVATE/, 'nor logged');
    t.match(await place.daemon.get('/metrics'), /isthmus_certs_expiry_seconds\{name="a.example",key="ec"\} 7\d{6}/);
  }
});

t.test('a host that asks for client certificates beside hosts that do not: no way in without one', async (t) => {
  const place = await start(0, {
    'a.pem': together(ca.issue(['a.example'])),
    'partner.pem': together(ca.issue(['partner.example', 'maybe.example', 'b.example'])),
  });
  t.teardown(() => place.close());
  const port = portOf(place);
  const mine = clientCa.issueClient('client.example');
  const foreign = testAuthority('another CA').issueClient('client.example');
  const own = { cert: mine.certificate, key: mine.key };
  const plain = async (host: string): Promise<number> =>
    (await fetchPlain(place.daemon.port('router.http'), host)).status;
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const at = { minVersion: version, maxVersion: version };
    const ok = await ask(port, 'partner.example', 'partner.example', { ...at, ...own });
    t.equal(ok.status, 200, `${version}: with a certificate`);
    const sent = (JSON.parse(ok.body) as { headers: Record<string, string> }).headers['client-cert'] ?? '';
    t.match(sent, /^:[A-Za-z0-9+/=]+:$/, 'the backend is told of it');
    await t.rejects(ask(port, 'partner.example', 'partner.example', at), `${version}: without`);
    const other = { ...at, cert: foreign.certificate, key: foreign.key };
    await t.rejects(ask(port, 'partner.example', 'partner.example', other), `${version}: of another authority`);
    await t.rejects(ask(port, 'maybe.example', 'maybe.example', other), 'not even where it is optional');
    t.match(await ask(port, 'maybe.example', 'maybe.example', at), { status: 200 }, 'optional: without');
    const open = await ask(port, 'a.example', 'a.example', at);
    t.equal(open.status, 200, 'the public host asks for nothing');
    t.equal((await ask(port, 'b.example', 'partner.example', at)).status, 421, 'switching hosts on a connection');
    t.equal((await ask(port, '', 'partner.example', { ...at, ...anyName })).status, 421, 'without a name');
    const again = await ask(port, 'a.example', 'a.example', { ...at, session: open.session ?? undefined });
    t.ok(again.resumed, 'a session of the public host is resumed there');
    const session = open.session ?? undefined;
    await t.rejects(ask(port, 'partner.example', 'partner.example', { ...at, session }), 'and opens no other host');
    const kept = await ask(port, 'partner.example', 'partner.example', { ...at, session: ok.session ?? undefined });
    t.match(kept, { status: 200, resumed: true }, 'a session with a certificate is resumed with it');
    t.match(kept.body, 'client-cert', 'and the backend is told again');
    const forged = await ask(port, 'a.example', 'a.example', { ...at, session: ok.session ?? undefined });
    t.equal(forged.resumed, false, 'but on its own host alone');
  }
  t.equal(await plain('partner.example'), 403, 'nor without TLS');
  t.equal(await plain('a.example'), 200);
});

function fetchPlain(port: number, host: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ port, host: '127.0.0.1', agent: false, headers: { host }, timeout: 10_000 }, (answer) => {
      let body = '';
      answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    call.on('error', reject).end();
  });
}

t.test('PROXY headers of listed peers, plain and in front of TLS', async (t) => {
  const place = await start(0, { 'a.pem': together(ca.issue(['a.example'])) }, '  proxyProtocol: [127.0.0.0/8]');
  t.teardown(() => place.close());
  const version2 = Buffer.from('0d0a0d0a000d0a515549540a2111000ccb007109c6336405d43101bb', 'hex');
  for (const header of [Buffer.from('PROXY TCP4 203.0.113.9 198.51.100.5 54321 443\r\n'), version2]) {
    const secure = connectTcp({ port: portOf(place), host: '127.0.0.1' });
    secure.write(header);
    const answer = await ask(0, 'a.example', 'a.example', { socket: secure });
    t.match(JSON.parse(answer.body), { headers: { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-port': '443' } });
    const socket = connectTcp({ port: place.daemon.port('router.http'), host: '127.0.0.1' });
    // In two pieces, the request right behind.
    socket.write(header.subarray(0, 9));
    setImmediate(() => {
      socket.write(header.subarray(9));
      socket.write('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n');
    });
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    t.match(text, /^HTTP\/1.1 200[^]*"x-forwarded-for":"203.0.113.9"/);
  }
  const bare = connectTcp({ port: portOf(place), host: '127.0.0.1' });
  await t.rejects(ask(0, 'a.example', 'a.example', { socket: bare }), 'a listed peer must send one');
});

t.test('files replaced, broken, removed and restored under load: each handshake gets a good certificate', async (t) => {
  const place = await start(0, {
    'default.pem': together(ca.issue(['default.example'])),
    'b.pem': together(ca.issue(['b.example'])),
  });
  t.teardown(() => place.close());
  const file = join(place.folder, 'certs', 'b.pem');
  const port = portOf(place);
  let rounds = 0;
  let asked = 0;
  const wrong: string[] = [];
  let isOver = false;
  const load = (async () => {
    while (!isOver) {
      asked++;
      await ask(port, 'b.example', 'b.example').then(
        ({ names, status }) => {
          if (names !== 'DNS:b.example' || status !== 200) wrong.push(`${names} ${status}`);
        },
        (error: unknown) => wrong.push(String(error)),
      );
    }
  })();
  const changes = Number(process.env['ISTHMUS_TEST_CHANGES'] ?? 12);
  while (rounds < changes) {
    const fresh = together(ca.issue(['b.example'], 90 + rounds));
    const turn = rounds++ % 4;
    if (turn === 0) {
      writeFileSync(`${file}.tmp`, fresh);
      renameSync(`${file}.tmp`, file);
    } else if (turn === 1) writeFileSync(file, fresh.slice(0, fresh.length / 2));
    else if (turn === 2) rmSync(file);
    else writeFileSync(file, fresh);
    const isGood = turn === 0 || turn === 3;
    await place.daemon.until<Listed[]>('/v1/certs', (listed) => {
      const b = listed.find(({ name }) => name === 'b.example');
      if (b === undefined) return false;
      const isSaid = b.problems.some((line) => (turn === 1 ? /half written/ : /is gone/).test(line));
      return isGood ? b.fingerprint === new X509Certificate(fresh).fingerprint256 : isSaid;
    });
  }
  isOver = true;
  await load;
  t.same(wrong, [], `of ${asked} handshakes`);
  t.ok(asked > changes);
});

interface Listed {
  readonly name: string;
  readonly fingerprint: string;
  readonly problems: readonly string[];
}
