// TLS for the proxies' own listeners: certificates by server name, of both kinds of key side by side.

import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import t, { type Test } from 'tap';
import { noChallenges, type ServedCertificate } from '../../../certs/index.ts';
import { createTerminator, enterTls } from '../../../proxies/access/index.ts';
import { silentLogger, systemClock } from '../../../src/runtime/index.ts';
import { testAuthority } from '../../certs/authority.ts';
import { issueByOpenssl } from '../../feature/tls-site.ts';
import { needs } from '../../needs.ts';

const ca = testAuthority();
const keys = { ec: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], rsa: ['rsa:2048'] } as const;

function issue(name: string, keyType: 'ec' | 'rsa'): ServedCertificate {
  const { certificate, key } = issueByOpenssl(ca, { names: [name], newkey: [...keys[keyType]] });
  return {
    id: `${name} ${keyType}`,
    names: [name],
    keyType,
    notBefore: 0,
    notAfter: Infinity,
    chain: certificate,
    key,
  };
}

async function serve(t: Test, certificates: readonly ServedCertificate[]): Promise<number> {
  const terminator = createTerminator({ clock: systemClock, log: silentLogger });
  terminator.take({ certificates, fallback: null, ticketKeys: '', challenges: noChallenges });
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    void enterTls(socket, (plain, name) => terminator.secure(plain, name), 60_000, systemClock).then((stream) =>
      stream?.on('error', () => undefined).end('hello'),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Name and kind of key of what a client is shown that takes one kind alone. */
async function shown(port: number, servername: string, sigalgs: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', servername, sigalgs, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const leaf = socket.getPeerX509Certificate();
  socket.resume();
  await once(socket, 'close');
  return `${leaf?.subjectAltName ?? ''} ${leaf?.publicKey.asymmetricKeyType ?? ''}`;
}

t.test('each name with both kinds of key', { skip: needs('openssl') }, async (t) => {
  const names = ['one.test', 'two.test'];
  const port = await serve(
    t,
    names.flatMap((name) => [issue(name, 'ec'), issue(name, 'rsa')]),
  );
  for (const name of names) {
    t.equal(await shown(port, name, 'ecdsa_secp256r1_sha256'), `DNS:${name} ec`);
    t.equal(await shown(port, name, 'rsa_pss_rsae_sha256'), `DNS:${name} rsa`);
  }
});

t.test('a name with one kind of key is never shown another name', { skip: needs('openssl') }, async (t) => {
  const port = await serve(t, [issue('one.test', 'ec'), issue('one.test', 'rsa'), issue('two.test', 'ec')]);
  t.equal(await shown(port, 'two.test', 'rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256'), 'DNS:two.test ec');
  await t.rejects(shown(port, 'two.test', 'rsa_pss_rsae_sha256'), 'a client without that kind gets nothing');
});
