// The one place that names the sources of certificates, each by its section of the configuration.

import { hostname } from 'node:os';
import { join } from 'node:path';
import {
  authorityKeys,
  createAcmeSource,
  createDnsHook,
  certificateVariables,
  createFileSource,
  createSelfSignedSource,
  createVariableSource,
  type ChallengeBoard,
} from '../../certs/index.ts';
import type { RouteRecord } from '../../proxies/router/index.ts';
import type { CertificateSource, ChallengeResponder, Store, Table } from '../ports/index.ts';
import type { Clock, Logger, Metrics, Random } from '../runtime/index.ts';
import { createMemoryStore } from '../store/index.ts';
import type { CertificateSourceConfig, Config } from './config/index.ts';
import { sourceTls } from './options-of.ts';
import type { AnyChange, AnyRecord } from './tables.ts';

/** A source that asks again what it is to serve when somebody says so. */
export type OpenSource = CertificateSource & { look?(): void };

export interface CertificateSurroundings {
  readonly config: Config;
  readonly store: Store | null;
  /** Where proofs for authorities are pinned up. */
  readonly board: ChallengeBoard;
  /** Hosts of routes on the TLS listeners, lower case, `*.name` among them, and files that labels name; as of now. */
  readonly routed: () => { readonly hosts: readonly string[]; readonly files: readonly string[] };
  /** Which hosts valid certificates are for that nobody orders, nor makes for development. */
  readonly coverage: () => (host: string) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** In the order in which they give the default certificate: Marathon-LB's variables and files, what `certs:` lists, files of labels. */
export function openCertificateSources(around: CertificateSurroundings): readonly OpenSource[] {
  const { config, clock, log, store, routed } = around;
  const listed = config.router?.marathonLb.sslCerts ?? [];
  const sources: OpenSource[] = [];
  if (certificateVariables(process.env).length > 0) sources.push(createVariableSource(process.env));
  if (listed.length > 0) sources.push(createFileSource({ name: 'marathonLb.sslCerts', paths: () => listed, clock }));
  for (const source of config.certs) {
    switch (source.kind) {
      case 'directory': {
        const { path, password } = source;
        sources.push(
          createFileSource({ name: path, paths: () => [path], passphrase: password?.reveal() ?? null, clock }),
        );
        break;
      }
      case 'selfSigned': {
        const { hosts } = source;
        const own = (): readonly string[] => [...new Set([...routed().hosts, 'localhost', hostname().toLowerCase()])];
        const dir = config.store?.kind === 'file' ? config.store.dir : null;
        const certificateFile = dir === null ? null : join(dir, authorityKeys.certificate);
        const asked = hosts.length > 0 ? (): readonly string[] => hosts : own;
        sources.push(createSelfSignedSource({ hosts: asked, certificateFile, store, clock, log }));
        break;
      }
      case 'acme':
        sources.push(openAcme(source, around));
        break;
    }
  }
  sources.push(createFileSource({ name: 'labels', paths: () => routed().files, clock }));
  return sources;
}

function openAcme(
  source: Extract<CertificateSourceConfig, { readonly kind: 'acme' }>,
  around: CertificateSurroundings,
): OpenSource {
  const { directory, email, domains, keyType, eab, tls } = source;
  return createAcmeSource({
    ...around,
    directory,
    email,
    domains,
    keyType,
    tls: sourceTls(tls),
    binding: eab === null ? null : { kid: eab.kid, key: eab.key.reveal() },
    responder: responderOf(source, around.board),
    hosts: () => around.routed().hosts,
    store: around.store ?? createMemoryStore(),
  });
}

function responderOf(
  { challenge, hook, hookTimeoutMs }: Extract<CertificateSourceConfig, { readonly kind: 'acme' }>,
  board: ChallengeBoard,
): ChallengeResponder {
  if (challenge === 'dns-01') return createDnsHook({ path: hook ?? '', withinMs: hookTimeoutMs });
  return challenge === 'http-01' ? board.http01 : board.tlsAlpn01;
}

/** What the table of routes asks certificates for. */
export function routedNames(table: Table<AnyRecord>): ReturnType<CertificateSurroundings['routed']> {
  const hosts = new Set<string>();
  const files = new Set<string>();
  for (const record of table.values() as Iterable<RouteRecord>) {
    if (record.kind === 'route' && record.listener === 'https' && !/^~|^\*$/.test(record.host)) hosts.add(record.host);
    else if (record.kind === 'port' && typeof record.tls?.certificate === 'string') files.add(record.tls.certificate);
  }
  return { hosts: [...hosts].sort(), files: [...files].sort() };
}

/** Whether a change of that table may ask for others; the changes of backends do not. */
export const mayChangeNames = (change: AnyChange): boolean =>
  change.removed.some(isNamed) || change.set.some(([key]) => isNamed(key));

const isNamed = (key: string): boolean => key.startsWith('route:') || key.startsWith('port:');
