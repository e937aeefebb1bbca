// Contexts of handshakes by server name: made when a name is first asked for, kept as long as the certificates stand.

import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import {
  comparableName,
  createNameTable,
  type NameTable,
  type ServedCertificate,
  type TlsMaterial,
} from '../../certs/index.ts';
import { messageOf, type Clock, type Logger } from '../../src/runtime/index.ts';
import type { ClientPolicy } from './client-policy.ts';
import { profileOptions, type TlsProfile } from './profiles.ts';

export interface ChosenContext {
  readonly context: SecureContext;
  /** Names of the certificate. */
  readonly names: readonly string[];
}

export interface ContextTable {
  replace(material: TlsMaterial): void;
  /** Null: no certificate is for this name, and `strictSni` says that none answers then. */
  choose(serverName: string | null, policy: ClientPolicy): ChosenContext | null;
  /** Of the certificate for those who name nobody; null: there is none. */
  optionsFor(policy: ClientPolicy): SecureContextOptions | null;
  /** The proof for tls-alpn-01; null: none is wanted for this name. */
  proof(serverName: string | null): SecureContext | null;
  /** What answers a challenge of http-01; null: nobody waits for it. */
  keyAuthorization(token: string): string | null;
}

export interface ContextTableOptions {
  readonly profile: TlsProfile;
  readonly strictSni: boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

export function createContextTable({ profile, strictSni, clock, log }: ContextTableOptions): ContextTable {
  const offered = profileOptions(profile);
  let names: NameTable<ServedCertificate> = createNameTable<ServedCertificate>([], null);
  let contexts = new Map<string, ChosenContext | null>();
  let proofs = new Map<string, SecureContext>();
  let tokens: ReadonlyMap<string, string> = new Map();

  const optionsOf = (certificates: readonly ServedCertificate[], policy: ClientPolicy): SecureContextOptions => ({
    ...offered,
    // ECDSA costs a tenth of RSA: it goes first, the client's signature algorithms decide.
    cert: ecFirst(certificates).map(({ chain }) => chain),
    key: ecFirst(certificates).map(({ key }) => key),
    sessionIdContext: policy.id,
    ...(policy.ca === null ? {} : { ca: policy.ca }),
  });
  const make = (certificates: readonly ServedCertificate[], policy: ClientPolicy): ChosenContext | null => {
    try {
      const context = createSecureContext(optionsOf(certificates, policy));
      return { context, names: certificates[0]?.names ?? [] };
    } catch (error) {
      log.error({ name: certificates[0]?.names[0], error: messageOf(error) }, 'a certificate cannot be used');
      return null;
    }
  };
  return {
    replace({ certificates, fallback, challenges }) {
      names = createNameTable(certificates, fallback);
      const kept = new Set([...certificates, ...(fallback === null ? [] : [fallback])].map(({ id }) => id));
      contexts = new Map([...contexts].filter(([key]) => idsIn(key).every((id) => kept.has(id))));
      proofs = new Map(
        challenges.alpn.map(({ host, chain, key }) => [host, createSecureContext({ ...offered, cert: chain, key })]),
      );
      tokens = new Map(challenges.http.map(({ token, keyAuthorization }) => [token, keyAuthorization]));
    },
    choose(serverName, policy) {
      const choice = names.choose(serverName, clock.now(), strictSni);
      if (choice === null) return null;
      const key = [policy.id, ...choice.certificates.map(({ id }) => id)].join(' ');
      let chosen = contexts.get(key);
      if (chosen === undefined) contexts.set(key, (chosen = make(choice.certificates, policy)));
      return chosen;
    },
    optionsFor(policy) {
      const choice = names.choose(null, clock.now(), false);
      return choice === null ? null : optionsOf(choice.certificates, policy);
    },
    proof: (serverName) => proofs.get(comparableName(serverName) ?? '') ?? null,
    keyAuthorization: (token) => tokens.get(token) ?? null,
  };
}

const idsIn = (key: string): readonly string[] => key.split(' ').slice(1);

const ecFirst = (certificates: readonly ServedCertificate[]): readonly ServedCertificate[] =>
  [...certificates].sort((a, b) => Number(b.keyType === 'ec') - Number(a.keyType === 'ec'));
