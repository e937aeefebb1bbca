// `router`: inbound HTTP and TLS, by labels of apps and by static routes.

import {
  defaulted,
  flag,
  list,
  nonEmpty,
  oneOf,
  optional,
  required,
  section,
  text,
  type Field,
  word,
} from './field.ts';
import type { FileFields } from './file-fields.ts';
import type { Address } from './host-port.ts';
import { type MarathonLbOptions, marathonLbField, type TraefikOptions, traefikField } from './router-labels.ts';
import { logPath } from './session-log.ts';
import { type Limits, limitsOf, routerLimits, routerTimeouts, type Timeouts, timeoutsOf } from './traffic-limits.ts';
import {
  appGlob,
  backendUrl,
  cidrs,
  duration,
  hostGlob,
  ipAddress,
  listenAddress,
  listenAddresses,
} from './value-fields.ts';

/** Which apps may claim which hosts. */
interface Authority {
  readonly apps: readonly string[];
  readonly hosts: readonly string[];
}

interface StaticRoute {
  readonly host: string;
  /** Begins with a slash; null: any. */
  readonly path: string | null;
  readonly to: readonly string[];
}

interface AccessLogConfig {
  /** `stderr`, `stdout` or an absolute path. */
  readonly path: string;
  readonly format: 'json' | 'common' | 'combined' | 'haproxy' | 'traefik';
}

interface ClientAuthRule {
  readonly hosts: readonly string[];
  /** PEM, absolute. */
  readonly ca: string;
  readonly mode: 'optional' | 'required';
}

interface RouterTls {
  /** specs/l7.md §4.4. */
  readonly profile: 'intermediate' | 'modern' | 'compat-mlb';
  readonly strictSni: boolean;
  readonly clientAuth: readonly ClientAuthRule[];
}

export interface RouterConfig {
  readonly http: readonly Address[];
  readonly https: readonly Address[];
  /** Plain connections may begin with HTTP/2 (prior knowledge). */
  readonly h2c: boolean;
  /** `*` is all. */
  readonly groups: readonly string[];
  readonly labels: 'corrected' | 'reference';
  readonly marathonLb: MarathonLbOptions;
  /** Null: traefik.* labels are not read. */
  readonly traefik: TraefikOptions | null;
  /** Address on which service ports are opened; null: none are. */
  readonly servicePorts: string | null;
  readonly appIdHeader: Address | null;
  readonly haproxyEndpoints: Address | null;
  readonly trustedProxies: readonly string[];
  readonly proxyProtocol: readonly string[];
  /** Empty: any app may claim any host. */
  readonly authority: readonly Authority[];
  readonly routes: readonly StaticRoute[];
  readonly noRoute: 503 | 404;
  /** Labels may ask for delays and errors on purpose. */
  readonly allowFaults: boolean;
  /** Usual wait for the event loop beyond which new requests get 503; 0: none do. */
  readonly shedAfter: number;
  /** Our name in Via; null: no such field is written, and loops are not seen. */
  readonly via: string | null;
  /** A directory of 503.html and the like. */
  readonly errorPages: string | null;
  readonly accessLog: AccessLogConfig | null;
  readonly tls: RouterTls;
  readonly limits: Limits<typeof routerLimits>;
  readonly timeouts: Timeouts<typeof routerTimeouts>;
}

export function routerSection(files: FileFields): Field<RouterConfig> {
  return section({
    http: defaulted(listenAddresses, ['0.0.0.0:80']),
    https: defaulted(listenAddresses, ['0.0.0.0:443']),
    h2c: defaulted(flag, false),
    groups: defaulted(list(word), ['external']),
    labels: defaulted(oneOf('corrected', 'reference'), 'corrected'),
    marathonLb: marathonLbField(files),
    traefik: traefikField(),
    servicePorts: optional(ipAddress, null),
    appIdHeader: optional(listenAddress, null),
    haproxyEndpoints: optional(listenAddress, null),
    trustedProxies: defaulted(cidrs, []),
    proxyProtocol: defaulted(cidrs, []),
    authority: defaulted(
      list(
        section({
          apps: required(list(appGlob), 'apps: "/prod/**"'),
          hosts: required(list(hostGlob), 'hosts: ["*.shop.example"]'),
        }),
      ),
      [],
    ),
    routes: defaulted(list(staticRoute), []),
    noRoute: defaulted(oneOf('503', '404'), '503').transform((code): 503 | 404 => (code === '404' ? 404 : 503)),
    allowFaults: defaulted(flag, false),
    shedAfter: defaulted(duration, '200ms'),
    via: optional(text(parsePseudonym), null),
    errorPages: optional(files.directory, null),
    accessLog: accessLogField(files),
    tls: routerTls(files),
    limits: limitsOf(routerLimits),
    timeouts: timeoutsOf(routerTimeouts),
  });
}

const staticRoute: Field<StaticRoute> = section({
  host: hostGlob,
  path: optional(text(parsePath), null),
  to: required(nonEmpty(list(backendUrl), 'write to: ["http://10.0.0.5:8080"]'), 'to: ["http://10.0.0.5:8080"]'),
});

function accessLogField({ ownFile }: FileFields): Field<AccessLogConfig | null> {
  const format = oneOf('json', 'common', 'combined', 'haproxy', 'traefik');
  return optional(section({ path: defaulted(logPath(ownFile), 'stderr'), format: defaulted(format, 'json') }), null);
}

function routerTls({ file }: FileFields): Field<RouterTls> {
  const rule = section({
    hosts: required(list(hostGlob), 'hosts: [partner.shop.example]'),
    ca: file,
    mode: defaulted(oneOf('required', 'optional'), 'required'),
  });
  const fields = section({
    profile: defaulted(oneOf('intermediate', 'modern', 'compat-mlb'), 'intermediate'),
    strictSni: defaulted(flag, false),
    clientAuth: defaulted(list(rule), []),
  });
  return defaulted(fields, {});
}

function parsePseudonym(name: string): string | { readonly wrong: string; readonly remedy: string } {
  return /^[A-Za-z0-9._-]{1,64}$/.test(name) ? name : { wrong: 'is no name', remedy: 'write a name such as edge-1' };
}

function parsePath(path: string): string | { readonly wrong: string; readonly remedy: string } {
  return /^\/[^\s?#]*$/.test(path) ? path : { wrong: 'is no path', remedy: 'begin with a slash, such as /api' };
}
