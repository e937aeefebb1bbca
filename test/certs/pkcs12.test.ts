// PKCS#12 files of other makers: openssl, modern and -legacy, and node-forge.

import { X509Certificate } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import forge from 'node-forge';
import t, { type Test } from 'tap';
import { readPkcs12 } from '../../certs/pkcs12.ts';
import { checkCertificate } from '../../certs/index.ts';
import { needs } from '../needs.ts';
import { testAuthority } from './authority.ts';

const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-p12-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);
const openssl = (...args: readonly string[]): void => {
  const { status, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
};

function isWhole(t: Test, file: Uint8Array, passphrase: string | null, leaf: string): void {
  const content = readPkcs12(file, passphrase);
  if ('refused' in content) {
    t.fail(content.refused);
    return;
  }
  const issuers = { pool: new Map(), isRoot: () => true };
  const checked = checkCertificate({ origin: 'file', ...content }, issuers);
  if ('refused' in checked) t.fail(checked.refused);
  else t.equal(checked.fingerprint, new X509Certificate(leaf).fingerprint256, 'leaf, key and chain are there');
}

t.test('of openssl', { skip: needs('openssl') }, async (t) => {
  const root = testAuthority();
  const middle = root.intermediate('middle CA');
  const ec = middle.issue(['ec.example']);
  writeFileSync(path('ec.key'), ec.key);
  writeFileSync(path('ec.crt'), ec.certificate);
  writeFileSync(path('middle.crt'), middle.certificate);
  openssl(
    ...'req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -out rsa.crt -days 30 -subj /CN=rsa.example'.split(' '),
    '-addext',
    'subjectAltName=DNS:rsa.example',
  );
  const forms: readonly (readonly string[])[] = [
    [],
    ['-legacy'],
    ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'],
  ];
  for (const form of forms) {
    for (const kind of ['ec', 'rsa']) {
      const more = kind === 'ec' ? ['-certfile', 'middle.crt'] : [];
      openssl(
        'pkcs12',
        '-export',
        ...form,
        '-inkey',
        `${kind}.key`,
        '-in',
        `${kind}.crt`,
        ...more,
        '-out',
        'out.p12',
        '-passout',
        'pass:s3cr\u00e9t',
      );
      const file = readFileSync(path('out.p12'));
      isWhole(t, file, 's3cr\u00e9t', readFileSync(path(`${kind}.crt`), 'utf8'));
      t.match(readPkcs12(file, 'other'), { refused: 'wrong passphrase' }, `${form.join(' ')} ${kind}`);
      t.match(readPkcs12(file, null), { refused: /locked, and there is no passphrase/ });
    }
  }
  openssl('pkcs12', '-export', '-inkey', 'rsa.key', '-in', 'rsa.crt', '-out', 'open.p12', '-passout', 'pass:');
  isWhole(t, readFileSync(path('open.p12')), null, readFileSync(path('rsa.crt'), 'utf8'));
});

t.test('of node-forge, with RC2 and 3DES', async (t) => {
  const keys = forge.pki.rsa.generateKeyPair({ bits: 2048, workers: -1 });
  const made = forge.pki.createCertificate();
  made.publicKey = keys.publicKey;
  made.serialNumber = '01';
  made.validity.notAfter.setFullYear(made.validity.notBefore.getFullYear() + 1);
  made.setSubject([{ name: 'commonName', value: 'forge.example' }]);
  made.setIssuer([{ name: 'commonName', value: 'forge.example' }]);
  made.setExtensions([{ name: 'subjectAltName', altNames: [{ type: 2, value: 'forge.example' }] }]);
  made.sign(keys.privateKey, forge.md.sha256.create());
  for (const algorithm of ['3des', 'aes256'] as const) {
    const file = forge.pkcs12.toPkcs12Asn1(keys.privateKey, [made], 'secret', { algorithm });
    const bytes = Buffer.from(forge.asn1.toDer(file).getBytes(), 'latin1');
    isWhole(t, bytes, 'secret', forge.pki.certificateToPem(made));
    t.match(readPkcs12(bytes, 'Secret'), { refused: 'wrong passphrase' });
  }
});

t.test('what is none, or only half of one', async (t) => {
  t.match(readPkcs12(Buffer.from('hello'), 'x'), { refused: 'it is no PKCS#12 file' });
  t.match(readPkcs12(Buffer.alloc(0), 'x'), { refused: 'it is no PKCS#12 file' });
});
