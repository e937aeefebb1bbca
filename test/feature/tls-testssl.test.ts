// testssl.sh finds nothing of MEDIUM or worse in what the router offers. With ISTHMUS_TEST_TESTSSL=full it looks at all that it knows, with
// simulated clients, which takes minutes.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { testAuthority } from '../certs/authority.ts';
import { needs } from '../needs.ts';
import { issueByOpenssl, startSite, together, type Site } from './tls-site.ts';

const run = promisify(execFile);
t.setTimeout(230_000);

const ca = testAuthority();
const isFull = process.env['ISTHMUS_TEST_TESTSSL'] === 'full';
/** The backend's part of an answer that testssl.sh likes. */
const headers = {
  'content-security-policy': "default-src 'self'",
  'strict-transport-security': 'max-age=63072000',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

/** What testssl.sh says of `host`; `parts` as it takes them, none: everything, with simulated clients. */
async function scan({ folder, port }: Site, host: string, parts: readonly string[]): Promise<readonly Finding[]> {
  const file = join(folder, 'findings.json');
  const plain = ['--quiet', '--color', '0', '--warnings', 'off', '--add-ca', join(folder, 'ca.pem')];
  const to = ['--ip', '127.0.0.1', '--jsonfile', file, ...parts, `${host}:${port}`];
  // Its exit code counts findings.
  await run('testssl', [...plain, ...to], { timeout: 200_000 }).catch((error: unknown) => {
    if (typeof (error as { code?: unknown }).code !== 'number') throw error;
  });
  const { default: findings } = (await import(file, { with: { type: 'json' } })) as { default: readonly Finding[] };
  return findings;
}

/** A client that leaves at once may be gone before its ticket comes, and testssl.sh has nothing to resume then. */
const isByChance = ({ id, severity }: Finding): boolean => id === 'sessionresumption_ticket' && severity === 'WARN';

t.test('nothing against the profiles', { skip: needs('testssl', 'openssl') }, async (t) => {
  // Without an address to ask for revocations it complains of the authority.
  const extensions = ['authorityInfoAccess=OCSP;URI:http://127.0.0.1:9/'];
  const kinds = [['rsa:2048'], ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']];
  const [rsa, ec] = kinds.map((newkey) => together(issueByOpenssl(ca, { names: ['a.example'], newkey, extensions })));
  const look = async (profile: string, parts: readonly string[]): Promise<void> => {
    const site = await startSite({
      workers: 0,
      files: { 'rsa.pem': rsa ?? '', 'ec.pem': ec ?? '' },
      hosts: ['a.example'],
      tls: `{ profile: ${profile} }`,
      beside: { 'ca.pem': ca.certificate },
      headers,
    });
    t.teardown(() => site.close());
    const findings = await scan(site, 'a.example', isFull ? [] : parts);
    const bad = findings.filter((one) => /MEDIUM|HIGH|CRITICAL|WARN|FATAL/.test(one.severity) && !isByChance(one));
    t.same(bad, [], profile);
    const offered = (id: string): string => findings.find((one) => one.id === id)?.finding ?? '';
    t.match(offered('TLS1_3'), /^offered/, `${profile}: it has looked`);
    t.match(offered('TLS1_2'), profile === 'modern' ? /^not offered/ : /^offered/);
    t.match(findings.map(({ id }) => id).join(' '), parts.includes('-U') ? /RC4/ : /cert_notAfter/, 'to the end');
  };
  // Protocols, the server's defaults with its certificates, known holes: what depends on us.
  await Promise.all([look('intermediate', ['-p', '-S', '-U']), look('modern', ['-p', '-S'])]);
});
