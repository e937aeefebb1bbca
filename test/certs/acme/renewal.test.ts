// When certificates are renewed, and how they are named to their authority, against certificates that OpenSSL made.

import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { certificateId, readWindow, renewalTime } from '../../../certs/acme/renewal.ts';
import { needs } from '../../needs.ts';
import { testAuthority } from '../authority.ts';

const dayMs = 86_400_000;

t.test(
  'RFC 9773 §4.1: key identifier of the authority and serial number, as OpenSSL says them',
  { skip: needs('openssl') },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-renewal-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    // The second serial has its first bit set: the RFC's own example is 00:87:65:43:21, which is AIdlQyE.
    for (const [serial, expected] of [
      ['0x1234', 'EjQ'],
      ['0x87654321', 'AIdlQyE'],
      ['0x0', 'AA'],
    ] as const) {
      const file = join(folder, `${serial}.pem`);
      const subject = ['-subj', '/CN=a.example', '-set_serial', serial, '-days', '30', '-out', file];
      const key = [
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        join(folder, 'key.pem'),
      ];
      const extensions = ['-addext', 'subjectKeyIdentifier=hash', '-addext', 'authorityKeyIdentifier=keyid:always'];
      execFileSync('openssl', ['req', '-x509', ...key, ...subject, ...extensions], { stdio: 'ignore' });
      const text = execFileSync('openssl', ['x509', '-in', file, '-noout', '-ext', 'subjectKeyIdentifier'], {
        encoding: 'utf8',
      });
      const keyId = Buffer.from((/[0-9A-F]{2}(:[0-9A-F]{2})+/.exec(text)?.[0] ?? '').replaceAll(':', ''), 'hex');
      const id = certificateId(new X509Certificate(readFileSync(file)));
      t.equal(id, `${keyId.toString('base64url')}.${expected}`);
    }
  },
);

t.test('a certificate without that identifier has no name', async (t) => {
  const root = new X509Certificate(testAuthority().certificate);
  t.match(certificateId(root), /^[\w-]+\.[\w-]+$/);
});

t.test('times: within the window, or by age; the same each time, and spread over certificates', async (t) => {
  const authority = testAuthority();
  const leaves = Array.from({ length: 20 }, () => new X509Certificate(authority.issue(['a.example'], 89).certificate));
  const window = { start: 1_000_000, end: 2_000_000 };
  const times = leaves.map((leaf) => renewalTime(leaf, window));
  t.ok(times.every((time) => time >= window.start && time < window.end));
  t.equal(new Set(times).size, times.length, 'each at its own');
  t.same(
    times,
    leaves.map((leaf) => renewalTime(leaf, window)),
  );
  for (const leaf of leaves) {
    const age = renewalTime(leaf, null) - Date.parse(leaf.validFrom);
    t.ok(age > 57 * dayMs && age <= 60 * dayMs, `after ${age / dayMs} of 90 days`);
  }
});

t.test('windows that make no sense are none', async (t) => {
  const start = '2026-01-01T00:00:00Z';
  t.same(readWindow({ suggestedWindow: { start, end: '2026-01-02T00:00:00Z' } }), {
    start: Date.parse(start),
    end: Date.parse(start) + dayMs,
  });
  for (const body of [
    null,
    'text',
    {},
    { suggestedWindow: {} },
    { suggestedWindow: { start, end: start } },
    { suggestedWindow: { start, end: 'x' } },
  ])
    t.equal(readWindow(body), null);
});
