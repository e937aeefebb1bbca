// `certs`: where certificates come from. Sources are merged; the first one's first certificate is the default.

import { defaulted, leaf, list, oneOf, optional, section, text, type Field, word, mapped } from './field.ts';
import type { FileFields } from './file-fields.ts';
import type { Mistake } from './mistake.ts';
import { exactlyOne } from './one-kind.ts';
import type { Secret } from './secret.ts';
import { hostGlob, httpUrl } from './value-fields.ts';

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
  /** External account binding. */
  readonly eab: { readonly kid: string; readonly key: Secret } | null;
  /** PEM of whoever signed the authority's own certificate, where the system does not know it. */
  readonly ca: string | null;
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

function acme({ secret, file }: FileFields): Field<Omit<AcmeConfig, 'kind'>> {
  return section({
    directory: defaulted(httpUrl, 'https://acme-v02.api.letsencrypt.org/directory'),
    email: optional(text(parseEmail), null),
    domains: defaulted(leaf(parseDomains), 'routed'),
    challenge: defaulted(oneOf('http-01', 'tls-alpn-01', 'dns-01'), 'http-01'),
    eab: optional(section({ kid: word, key: secret }), null),
    ca: optional(file, null),
  });
}

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
