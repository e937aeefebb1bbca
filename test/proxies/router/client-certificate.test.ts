// What backends are told of a client's certificate, as Traefik writes it.

import t from 'tap';
import { X509Certificate } from 'node:crypto';
import { defaultLimits, RequestHead } from '../../../proxies/http1/index.ts';
import { createPasswordChecker } from '../../../proxies/passwords/index.ts';
import { certificateLines } from '../../../proxies/router/client-certificate.ts';
import { factsOf } from '../../../proxies/router/request-facts.ts';
import { compilePolicy } from '../../../proxies/router/request-policy.ts';
import { upstreamHead } from '../../../proxies/router/upstream-head.ts';
import { compileCidrs, silentLogger, systemClock } from '../../../src/runtime/index.ts';

/** Subject and issuer: DC=org, C=DE, ST=Hessen, L=Bad Ort, O="Muster, GmbH", serialNumber=12, CN="eva & co". */
const pem = `-----BEGIN CERTIFICATE-----
MIICiTCCAjCgAwIBAgIUP5g4EIC8HtOuW/lteu/u/EBT8nAwCgYIKoZIzj0EAwIw
fDETMBEGCgmSJomT8ixkARkWA29yZzELMAkGA1UEBhMCREUxDzANBgNVBAgMBkhl
c3NlbjEQMA4GA1UEBwwHQmFkIE9ydDEVMBMGA1UECgwMTXVzdGVyLCBHbWJIMQsw
CQYDVQQFEwIxMjERMA8GA1UEAwwIZXZhICYgY28wIBcNMjYxMTIxMTgwODE2WhgP
MjA4MTA4MjQxODA4MTZaMHwxEzARBgoJkiaJk/IsZAEZFgNvcmcxCzAJBgNVBAYT
AkRFMQ8wDQYDVQQIDAZIZXNzZW4xEDAOBgNVBAcMB0JhZCBPcnQxFTATBgNVBAoM
DE11c3RlciwgR21iSDELMAkGA1UEBRMCMTIxETAPBgNVBAMMCGV2YSAmIGNvMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeOb3gS/2C8NvGo2nud1OPbhyitgGAB6J
u8ccdqDk4LW08P52Z1+5GdsZpMVi2Z+h5p1Rjlr57EdOscou6vPteKOBjTCBijAd
BgNVHQ4EFgQU+57KUfc1cueBxUkh6B6mlH/2Rs8wHwYDVR0jBBgwFoAU+57KUfc1
cueBxUkh6B6mlH/2Rs8wDwYDVR0TAQH/BAUwAwEB/zA3BgNVHREEMDAugglhLmV4
YW1wbGWHBAoAAAGBDWV2YUBhLmV4YW1wbGWGDHNwaWZmZTovL2EvYjAKBggqhkjO
PQQDAgNHADBEAiB4Jhx+9hCRHSJlnwkb+5Us0CLtpr5dBcphum4z3UjiVgIgCabU
diVIZPbGyiLjKEUpsf87y7UykQ+NsRDl1AyrJQU=
-----END CERTIFICATE-----
`;

const peer = {
  address: '127.0.0.1',
  port: 1,
  trusted: false,
  localAddress: '127.0.0.1',
  localPort: 443,
  secure: true,
  statement: '',
};
const tls = { serverName: null, clientCertificate: new X509Certificate(pem).raw, allows: () => true };

/** Name to value, unescaped. */
function told(facts: readonly string[], isWhole = false): Readonly<Record<string, string>> {
  const lines = certificateLines({ pem: isWhole, facts })({ ...peer, tls });
  return Object.fromEntries(
    lines
      .trimEnd()
      .split('\r\n')
      .map((line) => line.split(': '))
      .map(([name = '', value = '']) => [name, decodeURIComponent(value.replaceAll('+', ' '))]),
  );
}

t.test('facts in their order, escaped as in a query', async (t) => {
  const all = ['commonName', 'serialNumber', 'organization', 'locality', 'province', 'country', 'domainComponent'];
  const name = 'DC=org,C=DE,ST=Hessen,L=Bad Ort,O=Muster, GmbH,SN=12,CN=eva & co';
  t.same(told([...all.map((one) => `subject.${one}`), 'issuer.commonName', 'notBefore', 'notAfter', 'sans']), {
    'X-Forwarded-Tls-Client-Cert-Infos': `Subject="${name}",Issuer="CN=eva & co",NB="1795284496",NA="3523284496",SAN="a.example,10.0.0.1,eva@a.example,spiffe://a/b"`,
  });
  const line = certificateLines({ pem: false, facts: ['subject.commonName'] })({ ...peer, tls });
  t.equal(line, 'X-Forwarded-Tls-Client-Cert-Infos: Subject%3D%22CN%3Deva+%26+co%22\r\n');
});

t.test('the whole of it, without the lines around', async (t) => {
  t.same(told([], true), { 'X-Forwarded-Tls-Client-Cert': pem.replace(/-----.*-----|\n/g, '') });
});

t.test('nothing without a certificate', async (t) => {
  t.equal(certificateLines({ pem: true, facts: ['sans'] })(peer), '');
});

t.test('to the backend, instead of what anybody says', async (t) => {
  const request = new RequestHead();
  const text = 'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Tls-Client-Cert-Infos: forged\r\nX-A: b\r\n\r\n';
  t.equal(request.parse(Buffer.from(text), 0, text.length, defaultLimits), text.length);
  const tools = {
    clock: systemClock,
    log: silentLogger,
    passwords: createPasswordChecker(silentLogger),
    workers: 1,
    random: Math.random,
    countFault: () => undefined,
  };
  const clientCertificate = { pem: false, facts: ['subject.commonName'] };
  const policy = compilePolicy({ kind: 'options', id: 'x', clientCertificate }, tools);
  if (policy === null) throw new Error('no policy');
  const { matcher } = compileCidrs([]);
  for (const trusted of [true, false]) {
    const exchange = { request, peer: { ...peer, trusted, tls } };
    const flow = {
      policy,
      facts: factsOf(request, exchange.peer, 'vhost', 'id', matcher),
      admitted: null,
      leave: null,
    };
    const route = { service: { sticky: null } };
    const head = upstreamHead(
      { exchange, requestId: 'id', flow, route, backend: null },
      { trusted: matcher, via: '' },
      false,
    );
    t.same(head.match(/X-Forwarded-Tls.*/g), ['X-Forwarded-Tls-Client-Cert-Infos: Subject%3D%22CN%3Deva+%26+co%22']);
    t.match(head, '\r\nX-A: b\r\n');
  }
});
