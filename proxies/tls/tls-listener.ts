// Accepts connections for HTTP, plain and over TLS: the PROXY header of peers that send one, the ClientHello before any handshake, the TLS
// server whose policy the name asks for, or a tunnel to whoever takes TLS as it comes.

import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import { comparableName, coversName, type TlsMaterial } from '../../certs/index.ts';
import type { CidrMatcher, Clock, Logger } from '../../src/runtime/index.ts';
import { mostHelloBytes, parseClientHello, type ClientHello } from './client-hello.ts';
import { createClientPolicies, type ClientAuthRule, type ClientPolicy } from './client-policy.ts';
import { peek, type Peeked } from './peek.ts';
import type { TlsProfile } from './profiles.ts';
import { mostProxyBytes, parseProxyHeader, type ProxyAddresses } from './proxy-header.ts';
import { createServerTable, type ServerTable } from './server-table.ts';
import type { TlsMetrics } from './tls-metrics.ts';

/** What a handshake has shown of the client, for the requests of the connection. */
export interface TlsFacts {
  /** As compared; null: none. */
  readonly serverName: string | null;
  /** As sent, where that is something else; absent: the same. */
  readonly askedName?: string;
  /** As agreed; '' where the client offered none. */
  readonly protocol: string;
  /** DER of a certificate that was verified; null: none. */
  readonly clientCertificate: Buffer | null;
  /** Whether requests for `host` may come on this connection: else they are answered with 421 (RFC 9110 §15.5.20). */
  allows(host: string): boolean;
}

export interface Accepted {
  readonly socket: Socket;
  /** Null: not over TLS. */
  readonly tls: TlsFacts | null;
  /** Of the PROXY header; null: those of the socket. */
  readonly addresses: ProxyAddresses | null;
}

export interface TlsListenerOptions {
  readonly profile: TlsProfile;
  /** Refuse names without a certificate by an alert, instead of the default certificate. */
  readonly strictSni: boolean;
  readonly clientAuth: readonly ClientAuthRule[];
  /** Peers whose connections begin with a PROXY header; null: none. */
  readonly proxyProtocol: CidrMatcher | null;
  /** Protocols for ALPN, the favourite first. */
  readonly protocols: readonly string[];
  readonly onAccepted: (accepted: Accepted) => void;
  /** Takes over a paused connection whose name leads to somebody who speaks TLS; false: nobody does. */
  readonly passThrough: (serverName: string, socket: Socket) => boolean;
  /** Connections that have shown nothing yet; more are cut. */
  readonly mostPending: () => number;
  readonly metrics: TlsMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface TlsListener {
  /** Servers to bind, for plain and for TLS connections. */
  createPlainServer(): Server;
  createServer(): Server;
  /** Handshakes that begin from now on are made by it. */
  take(material: TlsMaterial): void;
  keyAuthorization(token: string): string | null;
  /** What a host asks of clients, for requests that came without TLS. */
  policyOf(host: string): ClientPolicy;
  /** Connections that have shown too little to be anybody's yet. */
  readonly pending: number;
  /** Cuts those. */
  destroy(): void;
}

interface Greeted {
  readonly socket: Socket;
  /** As compared. */
  readonly serverName: string | null;
  /** As sent. */
  readonly askedName: string | null;
  /** Of the certificate that was chosen. */
  readonly names: readonly string[];
}

/** Fatal, unrecognized_name (RFC 6066 §3), in a record of its own. */
const unknownName = Buffer.from([21, 3, 3, 0, 2, 2, 112]);

/** From the accept to a whole ClientHello, and the handshake behind it. */
const helloMs = 5_000;
const proofMs = 10_000;

export function createTlsListener(options: TlsListenerOptions): TlsListener {
  return new Front(options);
}

class Front implements TlsListener {
  readonly #options: TlsListenerOptions;
  readonly #policies: ReturnType<typeof createClientPolicies>;
  readonly #servers: ServerTable;
  readonly #proofs: TlsServer;
  readonly #pending = new Set<Socket>();
  readonly #addresses = new WeakMap<Socket, ProxyAddresses>();
  /** Connections in a handshake, by their two ends: TLS wraps them in sockets of its own. */
  readonly #greeted = new Map<string, Greeted>();

  constructor(options: TlsListenerOptions) {
    this.#options = options;
    this.#policies = createClientPolicies(options.clientAuth);
    this.#servers = createServerTable({ ...options, onServer: (server, policy) => this.#hear(server, policy) });
    this.#proofs = this.#proofServer();
  }

  get pending(): number {
    return this.#pending.size;
  }

  createPlainServer(): Server {
    return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#acceptPlain(socket));
  }

  createServer(): Server {
    return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      if (this.#begin(socket)) this.#afterProxyHeader(socket, () => this.#greet(socket));
    });
  }

  take(material: TlsMaterial): void {
    this.#servers.replace(material);
  }

  keyAuthorization(token: string): string | null {
    return this.#servers.keyAuthorization(token);
  }

  policyOf(host: string): ClientPolicy {
    return this.#policies.of(host);
  }

  destroy(): void {
    for (const socket of [...this.#pending]) socket.destroy();
  }

  #acceptPlain(socket: Socket): void {
    const { proxyProtocol, onAccepted } = this.#options;
    if (proxyProtocol?.has(socket.remoteAddress ?? '') !== true) {
      onAccepted({ socket, tls: null, addresses: null });
      return;
    }
    if (!this.#begin(socket)) return;
    this.#afterProxyHeader(socket, () => {
      this.#pending.delete(socket);
      onAccepted({ socket, tls: null, addresses: this.#addresses.get(socket) ?? null });
    });
  }

  /** False: there are too many that have not. */
  #begin(socket: Socket): boolean {
    if (this.#pending.size >= this.#options.mostPending()) {
      socket.on('error', () => undefined).destroy();
      return false;
    }
    this.#pending.add(socket);
    socket.once('close', () => this.#pending.delete(socket));
    return true;
  }

  #afterProxyHeader(socket: Socket, next: () => void): void {
    const { proxyProtocol, clock, metrics } = this.#options;
    if (proxyProtocol?.has(socket.remoteAddress ?? '') !== true) {
      next();
      return;
    }
    peek<{ readonly addresses: ProxyAddresses | null }>(
      socket,
      { clock, withinMs: helloMs, mostBytes: mostProxyBytes },
      (bytes): Peeked<{ readonly addresses: ProxyAddresses | null }> => {
        const header = parseProxyHeader(bytes);
        if (header === 'more') return 'more';
        if (header === 'bad') return { found: null, eaten: 0 };
        return { found: { addresses: header.addresses }, eaten: header.length };
      },
      (header) => {
        if (header === null) {
          metrics.refused.proxyHeader.value++;
          return;
        }
        if (header.addresses !== null) this.#addresses.set(socket, header.addresses);
        next();
      },
    );
  }

  #greet(socket: Socket): void {
    const { clock, metrics } = this.#options;
    peek<ClientHello>(
      socket,
      { clock, withinMs: helloMs, mostBytes: mostHelloBytes + 1024 },
      (bytes): Peeked<ClientHello> => {
        const hello = parseClientHello(bytes);
        if (hello === 'more') return 'more';
        return { found: 'refused' in hello ? null : hello, eaten: 0 };
      },
      (hello) => {
        if (hello === null) metrics.refused.clientHello.value++;
        else this.#dispatch(socket, hello);
      },
    );
  }

  #dispatch(socket: Socket, { serverName, protocols }: ClientHello): void {
    const { metrics } = this.#options;
    const name = comparableName(serverName);
    if (protocols.length === 1 && protocols[0] === 'acme-tls/1') {
      this.#proofs.emit('connection', socket);
      return;
    }
    if (name !== null && this.#options.passThrough(name, socket)) {
      this.#pending.delete(socket);
      metrics.passed.value++;
      return;
    }
    const policy = this.#policies.of(name);
    const chosen = this.#servers.choose(name, policy);
    if (chosen === null) {
      metrics.refused.serverName.value++;
      socket.on('error', () => undefined).end(unknownName, () => socket.destroy());
      return;
    }
    const ends = endsOf(socket);
    this.#greeted.set(ends, { socket, serverName: name, askedName: serverName, names: chosen.names });
    socket.once('close', () => this.#greeted.delete(ends));
    chosen.server.emit('connection', socket);
  }

  #hear(server: TlsServer, policy: ClientPolicy): void {
    const { metrics, log } = this.#options;
    server.on('secureConnection', (socket) => this.#onSecure(socket, policy));
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      metrics.refused.handshake.value++;
      log.debug({ reason: error.code ?? error.message, policy: policy.mode }, 'a TLS handshake failed');
      socket.on('error', () => undefined).destroy();
    });
  }

  #onSecure(socket: TLSSocket, policy: ClientPolicy): void {
    const { metrics, onAccepted } = this.#options;
    const greeted = this.#greeted.get(endsOf(socket));
    const certificate = policy.mode === 'none' ? null : (socket.getPeerX509Certificate()?.raw ?? null);
    // Never by what the session says alone (specs/l7.md §4.3), and no guess about a certificate that does not hold.
    const isProven = certificate !== null && socket.authorized;
    const isRefused = policy.mode === 'required' ? !isProven : certificate !== null && !isProven;
    if (greeted === undefined || isRefused) {
      if (isRefused) metrics.refused.clientCertificate.value++;
      socket.on('error', () => undefined).destroy();
      return;
    }
    (socket.isSessionReused() ? metrics.resumed : metrics.full).value++;
    this.#greeted.delete(endsOf(socket));
    this.#pending.delete(greeted.socket);
    const { serverName, askedName } = greeted;
    onAccepted({
      socket,
      addresses: this.#addresses.get(greeted.socket) ?? null,
      tls: {
        serverName,
        ...(askedName === null || askedName === serverName ? {} : { askedName }),
        protocol: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
        clientCertificate: isProven ? certificate : null,
        allows: rememberLast((host) => this.#allows(greeted, policy, host)),
      },
    });
  }

  #allows({ serverName, names }: Greeted, policy: ClientPolicy, host: string): boolean {
    if (this.#policies.of(host).id !== policy.id) return false;
    const name = comparableName(host);
    return serverName === null || name === null || name === serverName || coversName(names, name);
  }

  #proofServer(): TlsServer {
    const server = createTlsServer({
      handshakeTimeout: proofMs,
      ALPNProtocols: ['acme-tls/1'],
      SNICallback: (serverName, done) => done(null, this.#servers.proof(serverName) ?? undefined),
    });
    // The authority has seen the certificate, and wants no more.
    server.on('secureConnection', (socket) => socket.on('error', () => undefined).end());
    server.on('tlsClientError', (_error, socket) => socket.on('error', () => undefined).destroy());
    return server;
  }
}

/** Requests of a connection are mostly for one host. */
function rememberLast(judge: (host: string) => boolean): (host: string) => boolean {
  let last: string | null = null;
  let verdict = false;
  return (host) => {
    if (host === last) return verdict;
    verdict = judge(host);
    last = host;
    return verdict;
  };
}

const endsOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
