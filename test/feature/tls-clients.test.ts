// curl, Chromium and openssl agree on the certificate of each name: exact, wildcard, default, and the kind of key that the client takes.

import { execFile, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { testAuthority } from '../certs/authority.ts';
import { needs } from '../needs.ts';
import { startBrowser } from './chromium-page.ts';
import { issueByOpenssl, startSite, together, type Site } from './tls-site.ts';

const run = promisify(execFile);
t.setTimeout(110_000);

const ca = testAuthority();
const rsaOnly = ['rsa:2048'];

/** SHA-256 of the first certificate in a text. */
function printIn(text: string): string {
  const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text)?.[0];
  if (pem === undefined) throw new Error(`no certificate in ${text}`);
  return new X509Certificate(pem).fingerprint256;
}

async function byCurl({ port, folder }: Site, host: string, ...options: readonly string[]): Promise<string> {
  const to = ['--resolve', `${host}:${port}:127.0.0.1`, `https://${host}:${port}/`];
  const shown = ['-sS', '--max-time', '30', '-o', '/dev/null', '-w', '%{certs}'];
  const { stdout } = await run('curl', [...shown, '--cacert', join(folder, 'ca.pem'), ...options, ...to]);
  return printIn(stdout);
}

function byOpenssl({ port, folder }: Site, host: string, ...options: readonly string[]): Promise<string> {
  const to = ['-connect', `127.0.0.1:${port}`, ...(host === '' ? ['-noservername'] : ['-servername', host])];
  return new Promise((resolve, reject) => {
    const child = spawn('openssl', ['s_client', ...to, '-CAfile', join(folder, 'ca.pem'), ...options]);
    let text = '';
    child.stdout.on('data', (part: Buffer) => (text += part.toString()));
    child.once('error', reject).once('close', () => resolve(/Verify return code: 0/.test(text) ? printIn(text) : text));
    child.stdin.end();
  });
}

t.test('certificates by name', { skip: needs('curl', 'chromium', 'openssl') }, async (t) => {
  const given = {
    exact: ca.issue(['one.wild.example']),
    wild: ca.issue(['*.wild.example']),
    ec: ca.issue(['both.example', 'also.example']),
    rsa: issueByOpenssl(ca, { names: ['both.example', 'also.example'], newkey: rsaOnly }),
    rsaAlone: issueByOpenssl(ca, { names: ['old.example'], newkey: rsaOnly }),
  };
  const print = (one: keyof typeof given): string => new X509Certificate(given[one].certificate).fingerprint256;
  const site = await startSite({
    workers: 2,
    files: {
      '0-both.pem.rsa': together(given.rsa),
      '0-both.pem.ecdsa': together(given.ec),
      'wild.pem': together(given.wild),
      'exact.crt': given.exact.certificate,
      'exact.key': given.exact.key,
      'old.pem': together(given.rsaAlone),
    },
    hosts: ['both.example', 'also.example', 'old.example', 'one.wild.example', '*.wild.example', 'unknown.example'],
    beside: { 'ca.pem': ca.certificate },
  });
  t.teardown(() => site.close());
  const browser = await startBrowser();
  t.teardown(() => browser.close());
  const rows: readonly (readonly [host: string, of: keyof typeof given, isOurs?: boolean])[] = [
    ['one.wild.example', 'exact'],
    ['two.wild.example', 'wild'],
    ['both.example', 'ec'],
    ['also.example', 'ec'],
    ['old.example', 'rsaAlone'],
    ['unknown.example', 'ec', false],
    ['a.b.wild.example', 'ec', false],
  ];
  for (const [host, of, isOurs = true] of rows) {
    t.equal(await byOpenssl(site, host), print(of), `openssl: ${host}`);
    t.equal(await byCurl(site, host, ...(isOurs ? [] : ['-k'])), print(of), `curl: ${host}`);
    const page = await browser.open(`https://${host}:${site.port}/`);
    t.equal(page.certificate.fingerprint256, print(of), `Chromium: ${host}`);
    if (isOurs) t.match(page.text, `"host":"${host}:${site.port}"`, 'and the backend behind it answers');
    else await t.rejects(byCurl(site, host), 'curl believes no default certificate');
  }
  t.equal(await byOpenssl(site, ''), print('ec'), 'openssl: nobody named');
  const rsaCurl = ['--tls-max', '1.2', '--ciphers', 'ECDHE-RSA-AES128-GCM-SHA256'];
  for (const host of ['both.example', 'unknown.example']) {
    t.equal(await byCurl(site, host, ...rsaCurl, '-k'), print('rsa'), `curl without ECDSA: ${host}`);
    for (const version of ['-tls1_2', '-tls1_3']) {
      const old = await byOpenssl(site, host, version, '-sigalgs', 'RSA-PSS+SHA256:RSA+SHA256');
      t.equal(old, print('rsa'), `openssl without ECDSA, ${version}: ${host}`);
      const young = await byOpenssl(site, host, version, '-sigalgs', 'ECDSA+SHA256');
      t.equal(young, print('ec'), `openssl without RSA, ${version}: ${host}`);
    }
  }
});
