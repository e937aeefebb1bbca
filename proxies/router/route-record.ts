// Records of the table `routes`: routes, ports and app ids, which lead a request to its options and service; both change with labels. Backend
// sets change with tasks: liveness never touches the others. All are plain JSON, and an optional field that is absent means what its comment says.

import type { AppKey, Backend } from '../../src/cluster/index.ts';
import { optionsWithoutSecrets, type OptionsEntry } from './options-record.ts';
import type { RouteCondition } from './route-condition.ts';
import type { ServiceEntry } from './service-record.ts';
import type { RouteBranch, RouteShare } from './traffic-record.ts';

/** Where a label or route comes from. `marathon-lb-reference`: with its order as measured, `router.labels: reference`. */
export type Dialect = 'marathon-lb' | 'marathon-lb-reference' | 'traefik' | 'isthmus' | 'static';

/** Where a request goes: its treatment (`options:`), what is called (`service:`) and who answers (`set:`). */
export interface RouteTarget {
  /** Null: a static route of the configuration. */
  readonly app: AppKey | null;
  /** `/groupware/nginx`, or `static`. */
  readonly appId: string;
  /** Index of the port among the app's, or of the static route among the configured. */
  readonly portIndex: number;
  /** Id of the `OptionsEntry`. */
  readonly options: string;
  /** Id of the `ServiceEntry` and of the `SetEntry`, which change apart. */
  readonly set: string;
}

/** One host and path on one listener. Key: `route:` and `id`. */
export interface RouteEntry extends RouteTarget {
  readonly kind: 'route';
  /** `LISTENER:HOST/PATH` and what else sets it apart: the label `route` of the metrics. */
  readonly id: string;
  readonly listener: 'http' | 'https';
  readonly dialect: Dialect;
  /** A name, `*.name` (one or more labels in front), `~expression`, or `*` for any. Lower case, A-labels. */
  readonly host: string;
  /** Canonical, begins with a slash; `/` for all. The source of an anchored expression where `pathKind` is `regex`. */
  readonly path: string;
  /** Absent: `prefix`. */
  readonly pathKind?: 'prefix' | 'exact' | 'regex';
  /** `-i` of HAPROXY_<n>_PATH. */
  readonly ignoreCase: boolean;
  /** True: the prefix ends at a slash; false: byte prefix, `/app` matches `/application` (specs/l7.md §1.8). */
  readonly segment: boolean;
  /** What a request must fulfil besides, all of it; absent: nothing. */
  readonly conditions?: readonly RouteCondition[];
  /** HAPROXY_<n>_BACKEND_WEIGHT, or the priority of a Traefik frontend: higher first. */
  readonly weight: number;
  /** True: the route answers by a redirect to https, and Marathon-LB looks at those before all others. Absent: no. */
  readonly redirects?: boolean;
  /** True: found by the server name of the handshake letter by letter (Marathon-LB as measured, without its map). Absent: no. */
  readonly namesAsSent?: boolean;
  /** How the app shares the route with others that claim it. Absent: it does not. */
  readonly share?: RouteShare;
  /** The others. Absent: none. */
  readonly branches?: readonly RouteBranch[];
  /** What placed the route in the order, for people. */
  readonly reason: string;
}

/** A service port: a listener of its own on which everything goes to one service. Key: `port:` and `id`. */
export interface PortEntry extends RouteTarget {
  readonly kind: 'port';
  /** The number as text: one claimant has it, the others get a diagnostic. */
  readonly id: string;
  readonly port: number;
  readonly mode: 'http' | 'tcp';
  /** HAPROXY_<n>_BIND_ADDR; absent: `router.servicePorts`. */
  readonly address?: string;
  /** Network interface whose address it is instead; absent: none. */
  readonly interface?: string;
  /** Connections begin with a PROXY header. Absent: no. */
  readonly acceptProxy?: boolean;
  /** Marathon-LB as measured: without a backend that lives the port is closed. Absent: it stays open and says 503. */
  readonly closesEmpty?: boolean;
  /** TLS on this listener; absent: none. */
  readonly tls?: PortTls;
}

export interface PortTls {
  /** PEM file, as HAPROXY_<n>_SSL_CERT names it; null: by the certificate store. */
  readonly certificate: string | null;
  readonly minVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly alpn?: readonly string[];
  /** Client certificates: by which authority, and whether one must be there. */
  readonly clients?: { readonly ca: string; readonly mode: 'optional' | 'required' };
}

/** An app that the header X-Marathon-App-Id may name. Key: `app:` and `id`. */
export interface AppEntry extends RouteTarget {
  readonly kind: 'app';
  /** The app's id in lower case, with its leading slash: compared with the whole lower-cased header. */
  readonly id: string;
}

/** A host whose TLS connections go to the backends as they come: a port in mode tcp with a vhost. Key: `sni:` and `id`. */
export interface SniEntry extends RouteTarget {
  readonly kind: 'sni';
  /** A name or `*.name` (one or more labels in front), lower case. */
  readonly id: string;
}

/** The backends of one port of an app, of a Traefik backend or of a static route. Key: `set:` and `id`. */
export interface SetEntry {
  readonly kind: 'set';
  readonly id: string;
  /** Ordered by key; those that are draining or down are listed with their state. */
  readonly backends: readonly Backend[];
  /** Marathon-LB's name for each of `backends`, same order: the svname of its CSV; its SHA-1 makes the sticky cookie. Absent: `names` are the keys. */
  readonly names?: readonly string[];
  /** True: nothing better was left than tasks of agents that are lost. */
  readonly lastResort: boolean;
}

export type RouteRecord = RouteEntry | PortEntry | AppEntry | SniEntry | OptionsEntry | ServiceEntry | SetEntry;

export const portKey = (port: number | string): string => `port:${port}`;
export const setKey = (id: string): string => `set:${id}`;

export function keyOfRecord(record: RouteRecord): string {
  return `${record.kind}:${record.id}`;
}

/** The record as it may be shown. */
export const withoutSecrets = (record: RouteRecord): RouteRecord =>
  record.kind === 'options' ? optionsWithoutSecrets(record) : record;
