// The listeners of the router's vhosts, plain and TLS, and what is decided by the connection before a route is looked up: proofs for
// certificate authorities, and whether the request may come on this connection at all.

import type { Server, Socket } from 'node:net';
import type { TlsMaterial } from '../../certs/index.ts';
import { compileCidrs, type Clock, type Logger } from '../../src/runtime/index.ts';
import type { LocalAnswer, Peer, RequestView } from '../http1/index.ts';
import { routerError } from './router-answers.ts';
import type { HttpFront } from './http-front.ts';
import { createTlsListener, type ClientAuthRule, type TlsMetrics, type TlsProfile } from '../tls/index.ts';

export interface RouterTlsOptions {
  readonly profile: TlsProfile;
  readonly strictSni: boolean;
  readonly clientAuth: readonly ClientAuthRule[];
  /** CIDRs of peers whose connections, plain and TLS, begin with a PROXY header. */
  readonly proxyProtocol: readonly string[];
}

export interface FrontDoor {
  createPlainServer(): Server;
  createTlsServer(): Server;
  take(material: TlsMaterial): void;
  /** The answer to a request that goes to no route; null: it may go on. */
  answerTo(request: RequestView, peer: Peer, requestId: string): LocalAnswer | null;
  problems(): readonly string[];
  destroy(): void;
}

const challengePath = '/.well-known/acme-challenge/';

export function createFrontDoor(options: {
  readonly tls: RouterTlsOptions;
  readonly front: HttpFront;
  /** See `TlsListenerOptions`. */
  readonly passThrough: (serverName: string, socket: Socket) => boolean;
  readonly mostPending: () => number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: TlsMetrics;
}): FrontDoor {
  const { tls, front, passThrough, mostPending, clock, log } = options;
  const balancers = compileCidrs(tls.proxyProtocol);
  const asksClients = tls.clientAuth.length > 0;
  const listener = createTlsListener({
    ...tls,
    proxyProtocol: tls.proxyProtocol.length > 0 ? balancers.matcher : null,
    protocols: ['h2', 'http/1.1'],
    onAccepted: (accepted) => front.accept(accepted.socket, accepted.tls !== null, accepted),
    passThrough,
    mostPending,
    metrics: options.metrics,
    clock,
    log,
  });
  return {
    // A server of the front's own costs less, where nobody sends PROXY headers.
    createPlainServer: () => (tls.proxyProtocol.length > 0 ? listener.createPlainServer() : front.createServer()),
    createTlsServer: () => listener.createServer(),
    take: (material) => listener.take(material),
    answerTo(request, peer, requestId) {
      const { matchPath, fields } = request;
      if (matchPath.startsWith(challengePath)) {
        const proof = listener.keyAuthorization(matchPath.slice(challengePath.length));
        if (proof !== null) return { status: 200, fields: [], contentType: 'text/plain', body: proof };
      }
      if (peer.tls !== undefined) return peer.tls.allows(request.host) ? null : routerError(421, requestId, fields);
      // Without TLS there is no way to show a certificate, whatever stands in front of us.
      const isBarred = asksClients && listener.policyOf(request.host).mode === 'required';
      return isBarred ? routerError(403, requestId, fields) : null;
    },
    problems: () => balancers.problems,
    destroy: () => listener.destroy(),
  };
}
