// Service ports over TLS and behind balancers: certificates, versions, protocols and clients as labels ask, and the addresses that PROXY
// headers tell.

import t, { type Test } from 'tap';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions } from 'node:tls';
import { createCertificateSet, noChallenges, type TlsMaterial } from '../../../certs/index.ts';
import { createRouteView } from '../../../proxies/router/index.ts';
import { portKey, type PortEntry } from '../../../proxies/router/route-record.ts';
import { testAuthority } from '../../certs/authority.ts';
import { clusterOf, routedApp } from './routed-apps.ts';
import { answering, get, openBackend, openScene, type RawBackend, type Scene } from './scene.ts';

const ca = testAuthority();
const clientCa = testAuthority('clients');

/** `/store` is the default of all; `/own.pem` is the file of a label. */
function material(): TlsMaterial {
  const set = createCertificateSet();
  const entries = ['/store/shop.pem', '/own.pem'].map((origin) => {
    const { certificate, key } = ca.issue([origin === '/own.pem' ? 'own.example' : 'shop.example']);
    return { origin, chain: certificate, key };
  });
  set.take(0, { entries, problems: [] });
  const ticketKeys = Buffer.alloc(48, 1).toString('base64');
  return { certificates: set.served(), fallback: null, ticketKeys, challenges: noChallenges };
}

interface OpenPort {
  readonly scene: Scene;
  readonly port: number;
}

/** Opens it on a number that nobody has; whoever takes it in between makes for another try. */
async function openPort(t: Test, backend: RawBackend, entry: Partial<PortEntry>): Promise<OpenPort> {
  const scene = await openScene(t, [backend.port], { servicePorts: '127.0.0.1', portTls: 'intermediate' });
  scene.router.takeTls(material());
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const target = { app: null, appId: '/a/web', portIndex: 0, options: 'static:0', set: 'static:0' };
    const record = { kind: 'port', id: String(port), port, mode: 'http', ...target, ...entry } as const;
    await scene.apply([[portKey(port), record]]);
    if (port in scene.router.serviceAddresses.all() || !/EADDRINUSE/.test(scene.router.problems().join()))
      return { scene, port };
    await scene.apply([], [portKey(port)]);
  }
}

interface Said {
  readonly text: string;
  readonly name: string;
  readonly protocol: string | false | null;
  readonly version: string | null;
}

async function ask(port: number, text: string, options: ConnectionOptions = {}): Promise<Said> {
  const socket = connect({ port, host: '127.0.0.1', ca: ca.certificate, rejectUnauthorized: false, ...options });
  let name = '';
  let version: string | null = null;
  socket.once('secureConnect', () => {
    version = socket.getProtocol();
    name = socket.getPeerX509Certificate()?.subjectAltName ?? '';
    socket.write(text);
  });
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  return { text: said, name, protocol: socket.alpnProtocol, version };
}

const request = get('/x', 'Connection: close');

t.test('http over TLS: the certificate of the label, whatever name is asked for', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const { port, scene } = await openPort(t, backend, { tls: { certificate: '/own.pem' } });
  for (const servername of ['own.example', 'shop.example', ''])
    t.match(await ask(port, request, { servername, ALPNProtocols: ['h2'] }), {
      text: /^HTTP\/1\.1 200 [^]*ok$/,
      name: 'DNS:own.example',
      protocol: false,
    });
  t.match(backend.heads[0], '\r\nX-Forwarded-Proto: https\r\n');
  t.match(backend.heads[0], `\r\nX-Forwarded-Port: ${port}\r\n`);
  const plain = await new Promise<string>((resolve) => {
    const socket = connectTcp(port, '127.0.0.1', () => socket.write(request));
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    socket.on('error', () => undefined).on('close', () => resolve(text));
  });
  t.notMatch(plain, 'HTTP/1.1 200', 'not in clear text');
  t.same(scene.router.problems(), []);
});

t.test('versions and protocols that the label names; the store where its file gave nothing', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const tls = { certificate: '/absent.pem', minVersion: 'TLSv1.3', alpn: ['h2', 'http/1.1'] } as const;
  const { port } = await openPort(t, backend, { tls });
  const said = await ask(port, request, { servername: 'own.example', ALPNProtocols: ['http/1.1'] });
  t.match(said, { text: /200/, name: 'DNS:own.example', protocol: 'http/1.1', version: 'TLSv1.3' });
  t.match(await ask(port, request, { servername: '' }), { name: 'DNS:shop.example' });
  await t.rejects(ask(port, request, { maxVersion: 'TLSv1.2' }));
});

t.test('clients with a certificate alone', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-doors-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'ca.pem');
  writeFileSync(file, clientCa.certificate);
  const backend = await openBackend(t, answering('ok'));
  const clients = { ca: file, mode: 'required' } as const;
  const { port, scene } = await openPort(t, backend, { tls: { certificate: '/own.pem', clients } });
  const { certificate, key } = clientCa.issueClient('eva');
  t.match(await ask(port, request, { cert: certificate, key }), { text: /200/ });
  const stranger = await ask(port, request).catch(() => ({ text: '' }));
  t.equal(stranger.text, '');
  t.equal(backend.heads.length, 1);
  const absent = { ca: join(folder, 'absent.pem'), mode: 'required' } as const;
  await scene.apply([], [portKey(port)]);
  const closed = await openPort(t, backend, { tls: { certificate: '/own.pem', clients: absent } });
  t.match(closed.scene.router.problems(), [/absent\.pem \(ENOENT\), which cannot be read; it stays closed/]);
  t.same(closed.scene.router.serviceAddresses.all(), {});
});

t.test('tcp over TLS', async (t) => {
  const server = createServer((socket) => void socket.on('error', () => undefined).pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const backend = { port: (server.address() as AddressInfo).port } as RawBackend;
  const { port } = await openPort(t, backend, { mode: 'tcp', tls: { certificate: '/own.pem' } });
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const sent = 'x'.repeat(300_000);
  socket.end(sent);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  t.ok(text === sent, `${text.length} of ${sent.length} bytes came back`);
});

t.test('accept-proxy: the client of the header, in both modes; without one nobody', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const plainAsk = async (port: number, text: string): Promise<string> => {
    const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.end(text));
    socket.on('end', () => socket.destroy());
    let said = '';
    socket.on('data', (bytes: Buffer) => (said += bytes.toString('latin1')));
    await new Promise((resolve) => socket.on('error', () => undefined).on('close', resolve));
    return said;
  };
  const header = 'PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\r\n';
  const { port } = await openPort(t, backend, { acceptProxy: true });
  t.match(await plainAsk(port, header + request), /200/);
  t.match(backend.heads[0], '\r\nX-Forwarded-For: 203.0.113.9\r\n');
  t.notMatch(await plainAsk(port, request), /200/);

  const tcp = await openPort(t, backend, { mode: 'tcp', acceptProxy: true });
  tcp.scene.treat({ networks: { allowed: ['203.0.113.0/24'] } });
  t.match(await plainAsk(tcp.port, header + request), /200/);
  t.equal(await plainAsk(tcp.port, header.replace('203.0.113.9', '192.0.2.1') + request), '');
  t.equal(backend.heads.length, 2);
});

t.test('labels', async (t) => {
  const view = createRouteView({ groups: ['*'] });
  const labels = {
    HAPROXY_0_SSL_CERT: '/etc/ssl/a.pem',
    HAPROXY_0_BIND_OPTIONS:
      'accept-proxy no-sslv3 ssl-min-ver TLSv1.3 alpn h2,http/1.1 ca-file /ca.pem verify required',
  };
  view.rebuild(clusterOf([routedApp('/a', labels)]));
  t.match(view.table.get('port:10000'), {
    acceptProxy: true,
    tls: {
      certificate: '/etc/ssl/a.pem',
      minVersion: 'TLSv1.3',
      alpn: ['h2', 'http/1.1'],
      clients: { ca: '/ca.pem', mode: 'required' },
    },
  });
});
