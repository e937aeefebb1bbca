// A daemon with a folder of certificates and hosts behind it that answer with what they were sent, for tests of TLS as clients see it.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { KeyedCertificate } from '../../certs/index.ts';
import type { TestAuthority } from '../certs/authority.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';

export interface Site {
  readonly daemon: RunningDaemon;
  /** Has `certs`, which the daemon watches. */
  readonly folder: string;
  /** Of `router.https`. */
  readonly port: number;
  close(): Promise<void>;
}

export interface SiteOptions {
  readonly workers: number;
  /** In the folder of certificates at the start, by name. */
  readonly files: Readonly<Record<string, string | Buffer>>;
  /** Each is a route. */
  readonly hosts: readonly string[];
  /** Of `router.tls`, YAML in braces; `{folder}` is the site's. */
  readonly tls?: string;
  /** More of `router:`, indented by two. */
  readonly router?: string;
  /** Of PKCS#12 files. */
  readonly password?: string;
  /** In the site's folder, beside that of certificates. */
  readonly beside?: Readonly<Record<string, string>>;
  /** Of the backend's answers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the daemon. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Key and certificate in one text, as HAProxy takes them. */
export const together = ({ certificate, key }: KeyedCertificate): string => `${certificate}${key}`;

export async function startSite(options: SiteOptions): Promise<Site> {
  const { workers, files, hosts, tls = '{}', router = '', password, beside = {}, headers = {}, env = {} } = options;
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-certs-'));
  mkdirSync(join(folder, 'certs'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'certs', name), text);
  for (const [name, text] of Object.entries(beside)) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, 'cluster.json'), '{"id":"m","pid":"master@127.0.0.1:5050","frameworks":[],"slaves":[]}');
  const backend = createServer((request, response) => {
    response.setHeaders(new Map(Object.entries({ 'content-type': 'application/json', ...headers })));
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  const to = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`;
  const directory = `directory: "${folder}/certs"${password === undefined ? '' : `, password: "${password}"`}`;
  const closeBackend = (): void => {
    backend.close();
    backend.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  };
  const daemon = await startDaemon(
    `
cluster: [{ file: { path: "${folder}/cluster.json" } }]
router:
  http: ["127.0.0.1:0"]
  https: ["127.0.0.1:0"]
  routes:
${hosts.map((host) => `    - { host: "${host}", to: ["${to}"] }`).join('\n')}
  tls: ${tls.replaceAll('{folder}', folder)}
${router}
certs: [{ ${directory} }]
admin: { listen: "127.0.0.1:0" }
store: { dir: "${folder}/store" }
workers: ${workers}
`,
    { patienceMs: 60_000, env },
  ).catch((error: unknown) => {
    closeBackend();
    throw error;
  });
  return {
    daemon,
    folder,
    port: daemon.port('router.https'),
    async close() {
      await daemon.stop();
      closeBackend();
    },
  };
}

export interface TlsAnswer {
  readonly status: number;
  readonly body: string;
  /** As the certificate has them: `DNS:a.example, DNS:b.example`. */
  readonly names: string;
  /** SHA-256 of the certificate, colons between hex octets. */
  readonly fingerprint: string;
  readonly resumed: boolean;
  readonly session: Buffer | null;
}

/** One request on a connection of its own. Rejects where the handshake or the connection fails. */
export function askTls(
  port: number,
  servername: string,
  host: string,
  options: ConnectionOptions = {},
): Promise<TlsAnswer> {
  return new Promise((resolve, reject) => {
    const sni = servername === '' ? {} : { servername };
    const socket: TLSSocket = connect({ port, host: '127.0.0.1', ...sni, ...options });
    let text = '';
    let session: Buffer | null = null;
    let seen = { names: '', fingerprint: '', resumed: false };
    socket.setTimeout(20_000, () => socket.destroy(new Error('no answer in time')));
    socket.on('session', (one) => (session = one));
    socket.on('secureConnect', () => {
      const { subjectaltname: names = '', fingerprint256: fingerprint = '' } = socket.getPeerCertificate();
      seen = { names, fingerprint, resumed: socket.isSessionReused() };
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    });
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', body = ''] = text.split('\r\n\r\n');
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0);
      if (status === 0) reject(new Error('closed without an answer'));
      else resolve({ status, body, session, ...seen });
    });
  });
}

/** For certificates of other names on purpose. */
export const anyName = { checkServerIdentity: (): undefined => undefined };

/** Runs openssl in `folder`; throws what it says where it fails. */
export function openssl(folder: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
  return stdout;
}

/** A certificate that openssl makes, for kinds of keys and extensions that ours has not. */
export function issueByOpenssl(
  authority: TestAuthority,
  options: {
    readonly names: readonly string[];
    /** As `-newkey` takes it. */
    readonly newkey: readonly string[];
    /** As `-addext` takes them. */
    readonly extensions?: readonly string[];
    /** Extended key usage; absent: of a server. */
    readonly usage?: string;
  },
): KeyedCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-openssl-'));
  try {
    writeFileSync(join(folder, 'ca.pem'), authority.certificate);
    writeFileSync(join(folder, 'ca.key'), authority.key);
    const added = [
      `subjectAltName=${options.names.map((name) => `DNS:${name}`).join()}`,
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature',
      `extendedKeyUsage=${options.usage ?? 'serverAuth'}`,
      ...(options.extensions ?? []),
    ].flatMap((text) => ['-addext', text]);
    const subject = ['-subj', `/CN=${options.names[0]}`, '-days', '90'];
    const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-out', '-', '-keyout', 'key.pem', '-nodes'];
    const certificate = openssl(
      folder,
      ...['req', '-x509', '-sha256', '-newkey', ...options.newkey, ...signer, ...subject, ...added],
    );
    return { certificate, key: openssl(folder, 'pkey', '-in', 'key.pem') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
