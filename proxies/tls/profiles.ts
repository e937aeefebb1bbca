// What is offered in handshakes (Mozilla's guideline 6.0; specs/l7.md §4.4).

import { constants } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

export type TlsProfile = 'intermediate' | 'modern' | 'compat-mlb';

const modernSuites = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
const intermediateSuites = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];
/** What Marathon-LB's HAProxy allowed besides. */
const oldSuites = [
  'DHE-RSA-AES128-GCM-SHA256',
  'DHE-RSA-AES256-GCM-SHA384',
  'DHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-RSA-AES128-SHA256',
  'ECDHE-ECDSA-AES256-SHA384',
  'ECDHE-RSA-AES256-SHA384',
  'DHE-RSA-AES128-SHA256',
  'DHE-RSA-AES256-SHA256',
];

const hybridGroups = 'X25519MLKEM768:X25519:P-256:P-384';
const plainGroups = 'X25519:P-256:P-384';
let groups: string | null = null;

/** Options of contexts and servers. Ours is the order, but a client that puts ChaCha20 first has no AES in hardware and gets it. */
export function profileOptions(profile: TlsProfile): SecureContextOptions {
  const older = profile === 'modern' ? [] : [...intermediateSuites, ...(profile === 'compat-mlb' ? oldSuites : [])];
  return {
    ciphers: [...modernSuites, ...older].join(':'),
    minVersion: profile === 'modern' ? 'TLSv1.3' : 'TLSv1.2',
    ecdhCurve: keyExchangeGroups(),
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_PRIORITIZE_CHACHA,
    ...(profile === 'compat-mlb' ? { dhparam: 'auto' } : {}),
  };
}

/** With the hybrid group where this OpenSSL has it: looked once. */
function keyExchangeGroups(): string {
  if (groups !== null) return groups;
  try {
    createSecureContext({ ecdhCurve: hybridGroups });
    groups = hybridGroups;
  } catch {
    groups = plainGroups;
  }
  return groups;
}
