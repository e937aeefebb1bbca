// `service:` records: how the backends of a set are chosen, called and checked, as labels ask for. One for each set, and it changes apart.

import type { Balance } from '../../lb/index.ts';
import type { RequestKey } from './options-record.ts';
import type { Mirror } from './traffic-record.ts';

/** Key: `service:` and `id`; the id is that of the set. */
export interface ServiceEntry {
  readonly kind: 'service';
  readonly id: string;
  /** As Marathon-LB names it, `groupware_nginx_10000`: the pxname of its CSV; Traefik's backend name; or the id. */
  readonly name: string;
  /** Ids of the apps behind it, the first giving the labels; empty: static. */
  readonly appIds: readonly string[];
  readonly mode: 'http' | 'tcp';
  /** To the backends. Absent: `http`. */
  readonly protocol?: 'http' | 'https' | 'h2c' | 'h2';
  /** With `https` and `h2`. Absent: verified by the system's authorities, the name being the Host. */
  readonly upstreamTls?: { readonly insecure: boolean; readonly ca?: string; readonly serverName?: string };
  /** A PROXY header in front of what we send; absent: none. */
  readonly sendProxy?: 'v1' | 'v2';
  /** Absent: round robin. */
  readonly balance?: Balance;
  /** Absent: none. In mode http only. */
  readonly sticky?: Sticky;
  /** Connections to one backend, of HTTP/2 requests at once; more wait. Absent: the configuration's. */
  readonly connectionsPerBackend?: number;
  /** Absent fields: the configuration's. */
  readonly timeouts?: ServiceTimeouts;
  readonly retries?: Retries;
  /** A fresh backend's share grows over this time; absent: the configuration's. */
  readonly slowStartMs?: number;
  /** Absent: no active check of our own. */
  readonly check?: CheckRule;
  readonly breaker?: Breaker;
  /** False: an idle connection to a backend is not kept (`option httpclose`). Absent: kept. */
  readonly keepAlive?: boolean;
  /** Requests that wait for a connection to one backend; more get 503. Absent: the configuration's. */
  readonly waitingPerBackend?: number;
  readonly mirror?: Mirror;
}

export interface Sticky {
  readonly cookie: string;
  /** Value: the first ten hex digits of the SHA-1 of the backend's name in `SetEntry.names`. True: a backend's URL in clear counts too (Traefik 1.7). */
  readonly acceptsUrl: boolean;
  readonly path: string;
  readonly domain?: string;
  readonly httpOnly: boolean;
  /** `on-tls`: where the client's connection is. */
  readonly secure: 'always' | 'on-tls' | 'never';
  readonly sameSite: 'lax' | 'strict' | 'none' | null;
  /** Clients stay with a backend that drains, until it is gone. */
  readonly whileDraining: boolean;
  /** Absent: the cookie ends with the browser's session. */
  readonly maxAgeSeconds?: number;
}

export interface ServiceTimeouts {
  readonly connectMs?: number;
  readonly queueMs?: number;
  /** Until the head of the answer. */
  readonly responseMs?: number;
  /** Between bytes of the answer. */
  readonly answerMs?: number;
  readonly tunnelMs?: number;
  /** The whole request. */
  readonly totalMs?: number;
  /** Until the head of the answer, of one try. */
  readonly perTryMs?: number;
}

export interface Retries {
  /** Besides the first. */
  readonly attempts: number;
  readonly on: readonly ('connect' | 'reset' | 'refused' | 'timeout' | number)[];
  /** Traefik's expression, such as `IsNetworkError() && Attempts() <= 2`; checked by grammar where labels are read. Absent: `on` alone. */
  readonly expression?: string;
}

export interface CheckRule {
  readonly kind: 'http' | 'tcp';
  readonly secure: boolean;
  readonly method: string;
  readonly path: string;
  /** Host field; absent: the first vhost, else the address. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Number, or index among the app's ports; absent: the backend's own port. */
  readonly port?: number;
  readonly portIndex?: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures in a row that take a backend out, passes that bring it back. */
  readonly fall: number;
  readonly rise: number;
  /** Absent: 200 to 399. */
  readonly expectedStatus?: readonly (readonly [from: number, to: number])[];
}

export interface Breaker {
  /** Traefik's expression, such as `NetworkErrorRatio() > 0.5`; it is checked by grammar where labels are read. */
  readonly expression: string;
  readonly openMs: number;
  readonly recoveryMs: number;
  readonly key?: RequestKey;
}
