// Service ports whose connections do not begin as they are served: with a PROXY header, or over TLS with a certificate, a policy for clients
// and protocols of their own (specs/l7.md §1.5).

import { readFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { noChallenges, type TlsMaterial } from '../../certs/index.ts';
import { codeOf, compileCidrs, type Clock, type Logger } from '../../src/runtime/index.ts';
import {
  createTlsListener,
  type Accepted,
  type ClientAuthRule,
  type TlsListener,
  type TlsMetrics,
  type TlsProfile,
} from '../tls/index.ts';
import type { PortEntry, PortTls } from './route-record.ts';

export interface PortDoor {
  readonly server: Server;
  /** Cuts connections that have shown too little to be anybody's yet, and takes no new certificates. */
  close(): void;
}

export interface PortDoors {
  /** A text says why the port has to stay closed. */
  open(entry: PortEntry, onAccepted: (accepted: Accepted) => void): PortDoor | string;
  /** Handshakes are made by it from now on. */
  take(material: TlsMaterial): void;
}

export interface PortDoorsOptions {
  /** Null: no TLS is configured, and ports that ask for it stay closed. */
  readonly profile: TlsProfile | null;
  readonly mostPending: () => number;
  readonly metrics: TlsMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

const everybody = compileCidrs(['0.0.0.0/0', '::/0']).matcher;

export function createPortDoors(options: PortDoorsOptions): PortDoors {
  const open = new Map<TlsListener, PortTls>();
  let material: TlsMaterial | null = null;
  return {
    open(entry, onAccepted) {
      const { tls } = entry;
      const named = `service port ${entry.port} of ${entry.appId}`;
      if (tls !== undefined && options.profile === null)
        return `${named} asks for TLS, and nothing is configured that would have a certificate; it stays closed`;
      const clientAuth = tls?.clients === undefined ? [] : clientRule(tls.clients);
      if (typeof clientAuth === 'string')
        return `${named} asks for client certificates by ${clientAuth}, which cannot be read; it stays closed`;
      const { mostPending, metrics, clock, log } = options;
      const listener = createTlsListener({
        profile: tls?.minVersion === 'TLSv1.3' ? 'modern' : (options.profile ?? 'intermediate'),
        strictSni: false,
        clientAuth,
        proxyProtocol: entry.acceptProxy === true ? everybody : null,
        protocols: protocolsOf(entry),
        onAccepted,
        passThrough: () => false,
        mostPending,
        metrics,
        clock,
        log,
      });
      if (tls !== undefined) {
        open.set(listener, tls);
        if (material !== null) listener.take(ownMaterial(material, tls));
      }
      return {
        server: tls === undefined ? listener.createPlainServer() : listener.createServer(),
        close() {
          open.delete(listener);
          listener.destroy();
        },
      };
    },
    take(next) {
      material = next;
      for (const [listener, tls] of open) listener.take(ownMaterial(next, tls));
    },
  };
}

/** HAProxy agrees on nothing that is not said; a port in mode tcp leaves what is said to its backends. */
function protocolsOf({ mode, tls }: PortEntry): readonly string[] {
  const said = tls?.alpn ?? [];
  return mode === 'tcp' ? said : said.filter((name) => name === 'h2' || name === 'http/1.1');
}

/** The certificates of the file that the label names, whatever name is asked for; where it gave none, those that everybody has. */
function ownMaterial(material: TlsMaterial, { certificate }: PortTls): TlsMaterial {
  const own = material.certificates.filter(
    ({ origin }) => certificate !== null && (origin === certificate || origin?.startsWith(`${certificate}/`) === true),
  );
  return { ...material, challenges: noChallenges, certificates: own.length > 0 ? own : material.certificates };
}

function clientRule({ ca, mode }: NonNullable<PortTls['clients']>): readonly ClientAuthRule[] | string {
  try {
    return [{ hosts: ['*'], ca: readFileSync(ca, 'utf8'), mode }];
  } catch (error) {
    return `${ca} (${codeOf(error as Error)})`;
  }
}
