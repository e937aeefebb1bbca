// `certs`: where certificates come from. Sources are merged; the first one's first certificate is the default.

import { checked, defaulted, leaf, list, oneOf, optional, section, text, type Field, word, mapped } from './field.ts';
import { type ClientTls, tlsField } from './client-access.ts';
import type { FileFields } from './file-fields.ts';
import type { Mistake } from './mistake.ts';
import { exactlyOne } from './one-kind.ts';
import type { Secret } from './secret.ts';
import { duration, hostGlob, httpUrl } from './value-fields.ts';

interface CertificateDirectory {
  readonly kind: 'directory';
  /** Absolute; watched, and may be absent for a while. */
  readonly path: string;
  /** Of .p12 and .pfx files. */
  readonly password: Secret | null;
}

interface AcmeConfig {
  readonly kind: 'acme';
  /** The authority's directory URL. */
  readonly directory: string;
  readonly email: string | null;
  /** `routed`: every host of a route; else names and patterns that may be asked for. */
  readonly domains: 'routed' | readonly string[];
  readonly challenge: 'http-01' | 'tls-alpn-01' | 'dns-01';
  /** The executable of dns-01. */
  readonly hook: string | null;
  readonly hookTimeoutMs: number;
  readonly keyType: 'ecdsa' | 'rsa';
  /** External account binding. */
  readonly eab: { readonly kid: string; readonly key: Secret } | null;
  /** How the authority's own certificate is verified, where the system does not know it. */
  readonly tls: ClientTls | null;
}

interface SelfSignedConfig {
  readonly kind: 'selfSigned';
  /** Empty: the hosts of all routes, localhost and this machine's name. */
  readonly hosts: readonly string[];
}

export type CertificateSourceConfig = CertificateDirectory | AcmeConfig | SelfSignedConfig;

export function certsSection(files: FileFields): Field<readonly CertificateSourceConfig[]> {
  const entry = section({
    directory: optional(files.path, null),
    password: optional(files.secret, null),
    acme: optional(acme(files), null),
    selfSigned: optional(section({ hosts: defaulted(list(hostGlob), []) }), null),
  });
  const source = mapped(
    exactlyOne(entry, ['directory', 'acme', 'selfSigned']),
    ({ directory, password, acme, selfSigned }): CertificateSourceConfig => {
      if (directory !== null) return { kind: 'directory', path: directory, password };
      if (acme !== null) return { kind: 'acme', ...acme };
      return { kind: 'selfSigned', hosts: selfSigned?.hosts ?? [] };
    },
  );
  return list(source);
}

function acme(files: FileFields): Field<Omit<AcmeConfig, 'kind'>> {
  const { secret, file } = files;
  const fields = section({
    directory: defaulted(httpUrl, 'https://acme-v02.api.letsencrypt.org/directory'),
    email: optional(text(parseEmail), null),
    domains: defaulted(leaf(parseDomains), 'routed'),
    challenge: defaulted(oneOf('http-01', 'tls-alpn-01', 'dns-01'), 'http-01'),
    hook: optional(file, null),
    hookTimeout: defaulted(duration, '2m'),
    keyType: defaulted(oneOf('ecdsa', 'rsa'), 'ecdsa'),
    eab: optional(section({ kid: word, key: secret }), null),
    tls: tlsField(files),
  });
  const whole = checked(fields, ['challenge', 'hook'], ({ challenge, hook }, fail) => {
    if (challenge === 'dns-01' && hook === null)
      fail(['challenge'], { wrong: 'is dns-01, which needs a hook', remedy: 'name the executable: hook: /path/to/it' });
    if (challenge !== 'dns-01' && hook !== null)
      fail(['hook'], {
        wrong: `is not called for ${challenge}`,
        remedy: 'write challenge: dns-01, or remove the hook',
      });
  });
  return mapped(whole, ({ hookTimeout, ...rest }) => ({
    ...rest,
    hookTimeoutMs: hookTimeout === 0 ? longestHookMs : hookTimeout,
  }));
}

/** A hook that never ends would keep the issuer's lock for ever. */
const longestHookMs = 3_600_000;

function parseEmail(value: string): string | Mistake {
  return /^[^@\s]+@[^@\s]+$/.test(value) ? value : { wrong: 'is no e-mail address', remedy: 'write name@example.org' };
}

function parseDomains(value: unknown): AcmeConfig['domains'] | Mistake {
  if (value === 'routed') return 'routed';
  const names = list(hostGlob).safeParse(value);
  const isGood = names.success && names.data.length > 0;
  return isGood
    ? names.data
    : { wrong: 'is neither routed nor a list of names', remedy: 'write routed, or ["*.shop.example", shop.example]' };
}
