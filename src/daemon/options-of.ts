// From sections of the configuration to the options that functions take. No function knows the configuration.

import { readFileSync } from 'node:fs';
import type { AccessLimits, AccessTimeouts, ParentLists } from '../../proxies/access/index.ts';
import type { RouterTlsOptions, RouteViewOptions } from '../../proxies/router/index.ts';
import type { SourceAuth, ZooKeeperOptions } from '../orchestrator/index.ts';
import type { TcpListener, UdpListener } from '../runtime/index.ts';
import type {
  Address,
  ClientAuth,
  ClientTls,
  Config,
  Ensemble,
  ForwardConfig,
  ForwardTarget,
  HttpProxyConfig,
  RouterConfig,
  SocksConfig,
} from './config/index.ts';
import type { ReadySocket } from './inherit.ts';
import { formatAddress } from './sockets.ts';

export const addressText = (address: Address): string => formatAddress(address.host, address.port);

export const rangeText = (range: { readonly first: string; readonly last: string }): string =>
  `${range.first}-${range.last}`;

export function tcpListeners(sockets: readonly ReadySocket[], key: string): readonly TcpListener[] {
  return ofKey(sockets, key).flatMap((socket) => (socket.tcp === null ? [] : [socket.tcp]));
}

export function udpListeners(sockets: readonly ReadySocket[], key: string): readonly UdpListener[] {
  return ofKey(sockets, key).flatMap((socket) => (socket.udp === null ? [] : [socket.udp]));
}

export function ofKey(sockets: readonly ReadySocket[], key: string): readonly ReadySocket[] {
  return sockets.filter((socket) => socket.key === key).sort((a, b) => a.index - b.index);
}

/** Credentials in the words of the orchestrators. */
export function sourceAuth(auth: ClientAuth | null): SourceAuth | undefined {
  switch (auth?.kind) {
    case undefined:
      return undefined;
    case 'basic':
      return { basic: { user: auth.user, password: auth.password.reveal() } };
    case 'token':
      return { token: auth.token.reveal() };
    case 'dcos':
      return { dcos: { uid: auth.uid, privateKey: auth.privateKey.reveal(), login: auth.login } };
  }
}

/** Credentials of the digest scheme are written as one text, which is hashed by the server. */
export function zooKeeperOptions(ensemble: Ensemble | null): ZooKeeperOptions | undefined {
  if (ensemble === null) return undefined;
  const { servers, path, user, password } = ensemble;
  return { servers, path, digest: user === null ? null : `${user}:${password?.reveal() ?? ''}` };
}

/** PEM files read; throws the system's error, which names the file, where one is gone since the check. */
export function sourceTls(
  tls: ClientTls | null,
): { ca?: string; cert?: string; key?: string; insecure?: boolean } | undefined {
  if (tls === null) return undefined;
  const read = (path: string | null): string | undefined => (path === null ? undefined : readFileSync(path, 'utf8'));
  const files = { ca: read(tls.ca), cert: read(tls.cert), key: read(tls.key) };
  return {
    ...(JSON.parse(JSON.stringify(files)) as { ca?: string; cert?: string; key?: string }),
    insecure: tls.insecure,
  };
}

export function targetText(target: ForwardTarget): string {
  switch (target.kind) {
    case 'address':
      return addressText(target);
    case 'vip':
      return `vip:${target.name}:${target.port}`;
    case 'app':
      return `app:${target.id}:${target.portName}`;
  }
}

/** Parents as proxies/access takes them. */
export function parentLists(parents: Config['parents']): ParentLists {
  return Object.fromEntries(
    Object.entries(parents).map(([name, list]) => [
      name,
      list.map((parent) => ({ ...parent, password: parent.password?.reveal() ?? null })),
    ]),
  );
}

/** Limits and timeouts of a proxy's section under the names that proxies/access has for them. */
export function accessSettings(
  limits: SocksConfig['limits'] | HttpProxyConfig['limits'] | ForwardConfig['limits'],
  timeouts: SocksConfig['timeouts'] | HttpProxyConfig['timeouts'] | ForwardConfig['timeouts'],
): { readonly limits: Partial<AccessLimits>; readonly timeouts: Partial<AccessTimeouts> } {
  return {
    limits: {
      connections: limits.connections,
      perClient: limits.perClient,
      newPerClient: limits.newPerSecond,
      burstPerClient: limits.newBurst,
      dnsPending: limits.dnsPending,
      dialsPending: limits.dialsPending,
      connectionBytesPerSecond: limits.connectionBytesPerSecond,
      listenerBytesPerSecond: limits.listenerBytesPerSecond,
      ...('perUser' in limits
        ? { perUser: limits.perUser, perApp: limits.perApp, userBytesPerSecond: limits.userBytesPerSecond }
        : {}),
      ...('udpPeers' in limits
        ? { udpPeers: limits.udpPeers, udpDatagramsPerSecond: limits.udpDatagramsPerSecond }
        : {}),
      ...('authPerMinute' in limits ? { wrongPasswords: limits.authPerMinute } : {}),
      ...('headerFields' in limits ? { headerBytes: limits.headerBytes, headerFields: limits.headerFields } : {}),
    },
    timeouts: {
      headerMs: timeouts.headerMs,
      dnsMs: timeouts.dnsTotalMs,
      connectMs: timeouts.connectMs,
      dialMs: timeouts.connectTotalMs,
      tunnelMs: timeouts.tunnelMs,
      halfCloseMs: timeouts.halfClosedMs,
      lifetimeMs: timeouts.lifetimeMs,
      ...('bindMs' in timeouts ? { bindMs: timeouts.bindMs, udpMs: timeouts.udpMs } : {}),
      ...('responseHeaderMs' in timeouts ? { idleMs: timeouts.idleMs, responseMs: timeouts.responseHeaderMs } : {}),
    },
  };
}

export function routeOptions(
  router: RouterConfig,
  listeners: readonly ('http' | 'https')[] = ['http'],
): RouteViewOptions {
  const { marathonLb } = router;
  const https = router.https[0]?.port ?? 443;
  return {
    groups: router.groups,
    authority: router.authority,
    staticRoutes: router.routes,
    opensServicePorts: router.servicePorts !== null,
    labels: router.labels,
    listeners,
    strictMode: marathonLb.strictMode,
    healthCheck: marathonLb.healthCheck,
    haproxyMap: marathonLb.haproxyMap,
    groupHttpsByVhost: marathonLb.groupHttpsByVhost,
    allowUnsafeTemplates: marathonLb.allowUnsafeTemplates,
    allowFaults: router.allowFaults,
    httpsPort: https === 443 || https === 0 ? null : https,
    traefik: router.traefik,
  };
}

/** Reads the authorities of client certificates; throws the system's error where one is gone since the check. */
export function routerTls({ tls, proxyProtocol }: RouterConfig): RouterTlsOptions {
  const clientAuth = tls.clientAuth.map(({ hosts, mode, ca }) => ({ hosts, mode, ca: readFileSync(ca, 'utf8') }));
  return { ...tls, clientAuth, proxyProtocol };
}

export function routerSettings(router: RouterConfig): {
  readonly trustedProxies: readonly string[];
  readonly noRoute: 503 | 404;
  readonly h2c: boolean;
  readonly shedAfterMs: number;
  readonly via: string | null;
  readonly limits: Record<string, number>;
  readonly timeouts: Record<string, number>;
} {
  const { limits, timeouts } = router;
  return {
    trustedProxies: router.trustedProxies,
    noRoute: router.noRoute,
    h2c: router.h2c,
    shedAfterMs: router.shedAfter,
    via: router.via,
    limits: {
      headerBytes: limits.headerBytes,
      fields: limits.headerFields,
      requestLineBytes: limits.requestLineBytes,
      hostBytes: limits.hostBytes,
      bodyBytes: limits.bodyBytes,
      bodyBytesPerSecond: limits.bodyBytesPerSecond,
      connections: limits.connections,
      perClient: limits.perClient,
      requestsPerConnection: limits.requestsPerConnection,
      streams: limits.streams,
      streamWindowBytes: limits.streamWindowBytes,
      connectionWindowBytes: limits.connectionWindowBytes,
      headerListBytes: limits.headerListBytes,
      streamResetBurst: limits.streamResetBurst,
      streamResetRate: limits.streamResetRate,
    },
    timeouts: {
      headerMs: timeouts.headerMs,
      bodyMs: timeouts.bodyMs,
      idleMs: timeouts.idleMs,
      connectMs: timeouts.connectMs,
      queueMs: timeouts.queueMs,
      responseMs: timeouts.responseHeaderMs,
      answerMs: timeouts.responseMs,
      upstreamIdleMs: timeouts.upstreamIdleMs,
      tunnelMs: timeouts.tunnelMs,
      halfClosedMs: timeouts.halfClosedMs,
      requestMs: timeouts.requestMs,
    },
  };
}
