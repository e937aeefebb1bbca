// The router over TLS: the certificate by name, hosts that a connection may ask for, PROXY headers in front.

import { connect as connectTcp } from 'node:net';
import t from 'tap';
import { testAuthority } from '../certs/authority.ts';
import { anyName, askTls, startSite, together } from './tls-site.ts';

t.setTimeout(110_000);

const ca = testAuthority();
const trusting = { ca: ca.certificate };
const hosts = ['a.example', 'b.example', 'other.example', '*.wild.example'];

t.test('certificates by name, the default, 421, redirects of fields, for one process and for workers', async (t) => {
  for (const workers of [0, 2]) {
    const files = {
      '1-a.pem': together(ca.issue(['a.example', 'b.example'])),
      '2-wild.crt': ca.issue(['*.wild.example']).certificate,
      'other.pem': together(ca.issue(['other.example'])),
    };
    const site = await startSite({ workers, files, hosts });
    t.teardown(() => site.close());
    const { port, daemon } = site;
    const a = await askTls(port, 'a.example', 'a.example', trusting);
    t.match(a, { status: 200, names: 'DNS:a.example, DNS:b.example' }, 'an exact name');
    t.match(JSON.parse(a.body), { headers: { 'x-forwarded-proto': 'https', 'x-forwarded-port': String(port) } });
    t.equal((await askTls(port, 'a.example', 'b.example', trusting)).status, 200, 'a host that the certificate covers');
    t.equal((await askTls(port, 'a.example', 'other.example', trusting)).status, 421, 'a host that it does not');
    t.equal(
      (await askTls(port, 'unknown.example', 'unknown.example', { ...trusting, ...anyName })).names,
      a.names,
      'the default',
    );
    t.match(
      await askTls(port, '', 'a.example', { ...trusting, ...anyName }),
      { status: 200, names: a.names },
      'without a name',
    );
    t.match(daemon.ready.degraded.join('\n'), /2-wild.crt: there is no key for it/, 'what is wrong is said');
    const listed = await daemon.json<{ name: string; origin: string }[]>('/v1/certs');
    t.same(listed.map(({ name }) => name).sort(), ['a.example', 'other.example']);
    t.notMatch(await daemon.get('/v1/certs'), /PRIVATE/, 'no key is shown');
    t.notMatch(JSON.stringify(daemon.log), /PRIVATE/, 'nor logged');
    t.match(await daemon.get('/metrics'), /isthmus_certs_expiry_seconds\{name="a.example",key="ec"\} 7\d{6}/);
  }
});

t.test('PROXY headers of listed peers, plain and in front of TLS', async (t) => {
  const files = { 'a.pem': together(ca.issue(['a.example'])) };
  const site = await startSite({ workers: 0, files, hosts, router: '  proxyProtocol: [127.0.0.0/8]' });
  t.teardown(() => site.close());
  const version2 = Buffer.from('0d0a0d0a000d0a515549540a2111000ccb007109c6336405d43101bb', 'hex');
  for (const header of [Buffer.from('PROXY TCP4 203.0.113.9 198.51.100.5 54321 443\r\n'), version2]) {
    const secure = connectTcp({ port: site.port, host: '127.0.0.1' });
    secure.write(header);
    const answer = await askTls(0, 'a.example', 'a.example', { ...trusting, socket: secure });
    t.match(JSON.parse(answer.body), { headers: { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-port': '443' } });
    const socket = connectTcp({ port: site.daemon.port('router.http'), host: '127.0.0.1' });
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
  const bare = connectTcp({ port: site.port, host: '127.0.0.1' });
  await t.rejects(askTls(0, 'a.example', 'a.example', { ...trusting, socket: bare }), 'a listed peer must send one');
});

t.test('certificates in the environment, as Marathon-LB takes them', async (t) => {
  const inEnvironment = together(ca.issue(['a.example']));
  const site = await startSite({
    workers: 1,
    files: { 'b.pem': together(ca.issue(['b.example'])) },
    hosts,
    env: {
      HAPROXY_SSL_CERT: inEnvironment.replaceAll('\n', '\\n'),
      HAPROXY_SSL_CERT7: together(ca.issue(['other.example'])),
      HAPROXY_SSL_CERT8: 'nonsense',
    },
  });
  t.teardown(() => site.close());
  for (const host of ['a.example', 'b.example', 'other.example'])
    t.match(await askTls(site.port, host, host, trusting), { status: 200, names: `DNS:${host}` });
  const stranger = await askTls(site.port, 'x.example', 'x.example', { ...trusting, ...anyName });
  t.equal(stranger.names, 'DNS:a.example', 'the first of them is the default');
  t.match(site.daemon.ready.degraded.join(), /environment HAPROXY_SSL_CERT8: there is no certificate/);
  t.notMatch(JSON.stringify(site.daemon.log), /PRIVATE/);
});
