// An authority for tests: signs certificates for servers and clients, and writes them where a test wants them.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { makeCertificate, type KeyedCertificate, type Signer } from '../../certs/index.ts';

const dayMs = 86_400_000;

export interface TestAuthority {
  /** PEM. */
  readonly certificate: string;
  /** PEM, for tools that sign by themselves. */
  readonly key: string;
  /** Lasts from yesterday for `days`. */
  issue(names: readonly string[], days?: number): KeyedCertificate;
  issueClient(name: string): KeyedCertificate;
  /** An authority that this one has signed. */
  intermediate(commonName: string): TestAuthority;
}

export function testAuthority(commonName = 'test CA', signer: Signer | null = null): TestAuthority {
  const dates = (days: number) => ({
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + days * dayMs),
  });
  const own = makeCertificate({ commonName, names: [], ...dates(365), isAuthority: true }, signer);
  const publicKey = new X509Certificate(own.certificate).publicKey.export({ type: 'spki', format: 'der' });
  const by: Signer = { commonName, key: createPrivateKey(own.key), publicKey };
  return {
    certificate: own.certificate,
    key: own.key,
    issue: (names, days = 90) => makeCertificate({ commonName: names[0] ?? '', names, ...dates(days) }, by),
    issueClient: (name) => makeCertificate({ commonName: name, names: [name], ...dates(90), isClient: true }, by),
    intermediate: (name) => testAuthority(name, by),
  };
}
