// The listener by itself: what clients show before the handshake, tickets among workers and policies, names without a certificate.

import { createHash, type X509Certificate } from 'node:crypto';
import { connect as connectTcp, createServer, type AddressInfo, type Server } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import {
  createCertificateSet,
  createChallengeBoard,
  noChallenges,
  type ChallengeSet,
  type TlsMaterial,
} from '../../../certs/index.ts';
import {
  createTlsListener,
  createTlsMetrics,
  type TlsListener,
  type TlsListenerOptions,
} from '../../../proxies/tls/index.ts';
import { createMetrics, silentLogger as log, systemClock } from '../../../src/runtime/index.ts';
import { testAuthority } from '../../certs/authority.ts';

const ca = testAuthority();
const clientCa = testAuthority('client CA');

function materialOf(
  names: readonly (readonly string[])[],
  tickets = 1,
  challenges: ChallengeSet = noChallenges,
): TlsMaterial {
  const set = createCertificateSet();
  const entries = names.map((list) => {
    const { certificate, key } = ca.issue(list);
    return { origin: list.join(), chain: certificate, key };
  });
  set.take(0, { entries, problems: [] });
  const ticketKeys = Buffer.alloc(48, tickets).toString('base64');
  return { certificates: set.served(), fallback: null, ticketKeys, challenges };
}

interface Scene {
  readonly listener: TlsListener;
  readonly port: number;
}

async function open(t: Test, options: Partial<TlsListenerOptions> = {}): Promise<Scene> {
  const listener = createTlsListener({
    profile: 'intermediate',
    strictSni: false,
    clientAuth: [],
    proxyProtocol: null,
    protocols: ['http/1.1'],
    onAccepted: ({ socket, tls }) => {
      socket.on('error', () => undefined);
      socket.end(`${tls?.serverName ?? '-'} ${tls?.clientCertificate === null ? 'nobody' : 'somebody'}`);
    },
    passThrough: () => false,
    mostPending: () => 100,
    metrics: createTlsMetrics(createMetrics()),
    clock: systemClock,
    log,
    ...options,
  });
  const server: Server = listener.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    listener.destroy();
    server.close();
  });
  return { listener, port: (server.address() as AddressInfo).port };
}

interface Met {
  readonly text: string;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
  readonly certificate: X509Certificate | undefined;
}

function meet(port: number, servername: string, options: ConnectionOptions = {}): Promise<Met> {
  return new Promise((resolve, reject) => {
    const sni = servername === '' ? {} : { servername };
    const socket: TLSSocket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...sni, ...options });
    let text = '';
    let met = { resumed: false, certificate: undefined as X509Certificate | undefined };
    let session: Buffer | undefined;
    socket.on('secureConnect', () => {
      met = { resumed: socket.isSessionReused(), certificate: socket.getPeerX509Certificate() };
    });
    socket.on('session', (one) => (session = one));
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve({ ...met, text, session }));
  });
}

t.test('a ClientHello a byte at a time, and over records of its own for each few bytes', async (t) => {
  const { listener, port } = await open(t);
  listener.take(materialOf([['a.example']]));
  const raw = connectTcp({ port, host: '127.0.0.1' });
  const hello = await helloOf('a.example');
  const parts: Buffer[] = [];
  for (let at = 5; at < hello.length; at += 100) {
    const part = hello.subarray(at, at + 100);
    parts.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  for (const byte of Buffer.concat(parts)) {
    raw.write(Buffer.from([byte]));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const [answer] = (await new Promise<Buffer[]>((resolve) =>
    raw.once('data', (chunk: Buffer) => resolve([chunk])),
  )) as [Buffer];
  t.equal(answer[0], 22, 'a handshake goes on');
  const before = listener.pending;
  for (const nonsense of [
    'GET / HTTP/1.1\r\n\r\n',
    '\x16\x03\x01\x00\x00',
    '\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00',
  ]) {
    const bad = connectTcp({ port, host: '127.0.0.1' });
    bad.on('error', () => undefined);
    bad.write(nonsense, 'latin1');
    await new Promise((resolve) => bad.once('close', resolve));
  }
  t.equal(listener.pending, before, 'nonsense is cut');
  raw.destroy();
});

/** The bytes with which a client begins. */
function helloOf(servername: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const seen: Buffer[] = [];
    const server = createServer((socket) => socket.on('error', () => undefined).on('data', take));
    const take = (chunk: Buffer): void => {
      seen.push(chunk);
      const all = Buffer.concat(seen);
      if (all.length < 5 || all.length < 5 + all.readUInt16BE(3)) return;
      client.destroy();
      server.close();
      resolve(all);
    };
    let client: TLSSocket;
    server.listen(0, '127.0.0.1', () => {
      client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', servername });
      client.on('error', () => undefined);
    });
  });
}

t.test('tickets: one set for all workers, replaced at once; a policy never takes those of another', async (t) => {
  const first = await open(t);
  const second = await open(t);
  const clientAuth = [{ hosts: ['a.example'], ca: clientCa.certificate, mode: 'required' as const }];
  const asking = await open(t, { clientAuth });
  const material = materialOf([['a.example'], ['b.example']]);
  for (const { listener } of [first, second, asking]) listener.take(material);
  const { key, certificate } = clientCa.issueClient('client');
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const met = await meet(first.port, 'a.example', { maxVersion });
    const session = met.session;
    t.match(await meet(second.port, 'a.example', { maxVersion, session }), { resumed: true }, 'of another worker');
    const owner = await meet(asking.port, 'a.example', { maxVersion, session, key, cert: certificate });
    t.match(owner, { resumed: false, text: 'a.example somebody' }, 'a host that asks now: a whole handshake');
    await t.rejects(meet(asking.port, 'a.example', { maxVersion, session }).then(mustSay), 'and none without');
    second.listener.take({ ...material, ticketKeys: Buffer.alloc(48, 2).toString('base64') });
    t.match(await meet(second.port, 'a.example', { maxVersion, session }), {
      resumed: false,
      text: 'a.example nobody',
    });
    second.listener.take(material);
  }
});

function mustSay({ text }: Met): void {
  if (text === '') throw new Error('closed');
}

t.test('strictSni refuses by the alert that says why; else the default answers', async (t) => {
  const strict = await open(t, { strictSni: true });
  const lax = await open(t);
  for (const { listener } of [strict, lax]) listener.take(materialOf([['a.example'], ['*.b.example']]));
  await t.rejects(meet(strict.port, 'c.example'), { code: /UNRECOGNIZED_NAME/ });
  await t.rejects(meet(strict.port, 'x.y.b.example'), { code: /UNRECOGNIZED_NAME/ }, 'a star is one label');
  t.equal((await meet(strict.port, 'X.B.example')).text, 'x.b.example nobody');
  t.equal((await meet(lax.port, 'c.example')).certificate?.subjectAltName, 'DNS:a.example');
  await t.rejects(meet(lax.port, 'a.example', { ALPNProtocols: ['h9'] }), 'a protocol that nobody speaks');
  await t.rejects(meet(lax.port, 'a.example', { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' }), 'TLS 1.1');
});

t.test('TLS that goes on as it came, and proofs for tls-alpn-01', async (t) => {
  const passed: string[] = [];
  const { listener, port } = await open(t, {
    passThrough(serverName, socket) {
      if (serverName !== 'raw.example') return false;
      socket.once('data', (chunk: Buffer) => {
        passed.push(`${chunk[0]} ${chunk.includes('raw.example')}`);
        socket.destroy();
      });
      socket.resume();
      return true;
    },
  });
  await t.rejects(meet(port, 'raw.example'));
  t.same(passed, ['22 true'], 'every byte of it');
  let shown: ChallengeSet = noChallenges;
  const board = createChallengeBoard({ clock: systemClock, publish: async (set) => void (shown = set) });
  await board.tlsAlpn01.present('new.example', 'token', 'token.thumb');
  await board.http01.present('new.example', 'other', 'other.thumb');
  listener.take(materialOf([['a.example']], 1, shown));
  const { certificate } = await meet(port, 'new.example', { ALPNProtocols: ['acme-tls/1'] });
  const digest = createHash('sha256').update('token.thumb').digest();
  t.ok(certificate?.raw.includes(digest), 'the proof stands in the certificate');
  t.equal(certificate?.subjectAltName, 'DNS:new.example');
  t.equal(listener.keyAuthorization('other'), 'other.thumb');
  t.equal((await meet(port, 'new.example')).certificate?.subjectAltName, 'DNS:a.example', 'others never see it');
  await board.tlsAlpn01.withdraw('new.example', 'token');
  listener.take(materialOf([['a.example']], 1, shown));
  await t.rejects(meet(port, 'new.example', { ALPNProtocols: ['acme-tls/1'] }));
});
