// Servers of handshakes by server name: one for each set of certificates and each policy, made when a name is first asked for, kept as
// long as its certificates are served.

import { createSecureContext, createServer, type SecureContext, type Server, type TlsOptions } from 'node:tls';
import {
  comparableName,
  createNameTable,
  namesResponder,
  type NameTable,
  type ServedCertificate,
  type TlsMaterial,
} from '../../certs/index.ts';
import { messageOf, type Clock, type Logger } from '../../src/runtime/index.ts';
import type { ClientPolicy } from './client-policy.ts';
import { profileOptions, type TlsProfile } from './profiles.ts';

export interface ChosenServer {
  /** Is handed connections by its event `connection`; listens nowhere. */
  readonly server: Server;
  /** That each of its certificates is for. */
  readonly names: readonly string[];
}

export interface ServerTable {
  replace(material: TlsMaterial): void;
  /** Null: no certificate is for this name and `strictSni` says that none answers then, or there is none that can be used. */
  choose(serverName: string | null, policy: ClientPolicy): ChosenServer | null;
  /** The proof for tls-alpn-01; null: none is wanted for this name. */
  proof(serverName: string | null): SecureContext | null;
  /** What answers a challenge of http-01; null: nobody waits for it. */
  keyAuthorization(token: string): string | null;
}

export interface ServerTableOptions {
  readonly profile: TlsProfile;
  readonly strictSni: boolean;
  /** Protocols for ALPN, the favourite first. */
  readonly protocols: readonly string[];
  /** There is a new server, whose handshakes are under this policy. */
  readonly onServer: (server: Server, policy: ClientPolicy) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const handshakeMs = 10_000;
/** Resumed sessions are refused after it. */
const sessionSeconds = 300;

export function createServerTable(options: ServerTableOptions): ServerTable {
  const { strictSni, clock, log, onServer } = options;
  const offered = profileOptions(options.profile);
  let names: NameTable<ServedCertificate> = createNameTable<ServedCertificate>([], null);
  let servers = new Map<string, ChosenServer | null>();
  let proofs = new Map<string, SecureContext>();
  let tokens: ReadonlyMap<string, string> = new Map();
  let ticketKeys: Buffer | null = null;
  let staples = new Map<string, Buffer>();

  const make = (certificates: readonly ServedCertificate[], policy: ClientPolicy): ChosenServer | null => {
    try {
      const server = createServer({ ...optionsOf(options, certificates, policy), ...(ticketKeys && { ticketKeys }) });
      staple(server, certificates);
      onServer(server, policy);
      return { server, names: commonNames(certificates) };
    } catch (error) {
      log.error({ name: certificates[0]?.names[0], error: messageOf(error) }, 'a certificate cannot be used');
      return null;
    }
  };
  /** Of two certificates Node does not say which one the client is shown, so that their states are not stapled. */
  const staple = (server: Server, [only, ...others]: readonly ServedCertificate[]): void => {
    if (only === undefined || others.length > 0 || !namesResponder(only)) return;
    server.on('OCSPRequest', (_leaf, _issuer, done) => done(null, staples.get(only.id) ?? null));
  };
  return {
    replace({ certificates, fallback, challenges, ticketKeys: keys, staples: answers = {} }) {
      names = createNameTable(certificates, fallback);
      const kept = new Set([...certificates, ...(fallback === null ? [] : [fallback])].map(({ id }) => id));
      servers = new Map([...servers].filter(([key]) => idsIn(key).every((id) => kept.has(id))));
      ticketKeys = Buffer.from(keys, 'base64');
      for (const chosen of servers.values()) chosen?.server.setTicketKeys(ticketKeys);
      proofs = new Map(
        challenges.alpn.map(({ host, chain, key }) => [host, createSecureContext({ ...offered, cert: chain, key })]),
      );
      staples = new Map(Object.entries(answers).map(([id, text]) => [id, Buffer.from(text, 'base64')]));
      tokens = new Map(challenges.http.map(({ token, keyAuthorization }) => [token, keyAuthorization]));
    },
    choose(serverName, policy) {
      const choice = names.choose(serverName, clock.now(), strictSni);
      if (choice === null) return null;
      const key = [policy.id, ...choice.certificates.map(({ id }) => id)].join(' ');
      let chosen = servers.get(key);
      if (chosen === undefined) servers.set(key, (chosen = make(choice.certificates, policy)));
      return chosen;
    },
    proof: (serverName) => proofs.get(comparableName(serverName) ?? '') ?? null,
    keyAuthorization: (token) => tokens.get(token) ?? null,
  };
}

/**
 * The certificates are the server's own, not given by its SNICallback: of a context from there Node takes one certificate alone, and leaves
 * the server's other kinds of key beside it, so that clients would be shown the certificate of another name.
 */
function optionsOf(
  { profile, protocols }: ServerTableOptions,
  certificates: readonly ServedCertificate[],
  policy: ClientPolicy,
): TlsOptions {
  return {
    ...profileOptions(profile),
    cert: certificates.map(({ chain }) => chain),
    key: certificates.map(({ key }) => key),
    ALPNProtocols: [...protocols],
    allowHalfOpen: true,
    handshakeTimeout: handshakeMs,
    sessionTimeout: sessionSeconds,
    sessionIdContext: policy.id,
    requestCert: policy.mode !== 'none',
    rejectUnauthorized: policy.mode === 'required',
    ...(policy.ca === null ? {} : { ca: policy.ca }),
  };
}

function commonNames(certificates: readonly ServedCertificate[]): readonly string[] {
  const [first, ...others] = certificates;
  return (first?.names ?? []).filter((name) => others.every(({ names }) => names.includes(name)));
}

const idsIn = (key: string): readonly string[] => key.split(' ').slice(1);
