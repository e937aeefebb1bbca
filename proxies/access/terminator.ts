// A server's end of TLS for listeners that are not HTTP's: the certificates of now, chosen by server name.

import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import { createNameTable, type NameTable, type ServedCertificate, type TlsMaterial } from '../../certs/index.ts';
import { messageOf, type Clock, type Logger } from '../../src/runtime/index.ts';
import { profileOptions } from '../tls/index.ts';

export interface Terminator {
  /** Handshakes that begin from now on are made by it. */
  take(material: TlsMaterial): void;
  /** Emits `secure` once, or `error`. `serverName`: of the ClientHello, which was read and put back. Null: there is no certificate yet. */
  secure(socket: Socket, serverName: string | null): Socket | null;
}

export function createTerminator({ clock, log }: { readonly clock: Clock; readonly log: Logger }): Terminator {
  const offered = profileOptions('intermediate');
  let names: NameTable<ServedCertificate> = createNameTable<ServedCertificate>([], null);
  let contexts = new Map<string, SecureContext | null>();

  function make(certificates: readonly ServedCertificate[]): SecureContext | null {
    try {
      const cert = certificates.map(({ chain }) => chain);
      return createSecureContext({ ...offered, cert, key: certificates.map(({ key }) => key) });
    } catch (error) {
      log.error({ name: certificates[0]?.names[0], error: messageOf(error) }, 'a certificate cannot be used');
      return null;
    }
  }

  function contextFor(serverName: string | null): SecureContext | null {
    const choice = names.choose(serverName, clock.now(), false);
    if (choice === null) return null;
    const key = choice.certificates.map(({ id }) => id).join(' ');
    let context = contexts.get(key);
    if (context === undefined) contexts.set(key, (context = make(choice.certificates)));
    return context;
  }

  return {
    take({ certificates, fallback }) {
      names = createNameTable(certificates, fallback);
      contexts = new Map();
    },
    secure(socket, serverName) {
      const secureContext = contextFor(serverName) ?? contextFor(null);
      // Not by SNICallback: of a context from there Node takes one kind of key alone, and leaves the others of the first beside it.
      return secureContext === null ? null : new TLSSocket(socket, { isServer: true, secureContext });
    },
  };
}
