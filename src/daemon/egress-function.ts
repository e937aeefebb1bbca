// The HTTP proxy as the configuration wants it.

import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { createTerminator, type ParentLists, type Terminator } from '../../proxies/access/index.ts';
import {
  createEgressFunction,
  type EgressChange,
  type EgressFunction,
  type EgressOptions,
} from '../../proxies/egress/index.ts';
import type { Config, HttpProxyConfig } from './config/index.ts';
import type { ReadySocket } from './inherit.ts';
import { accessSettings, addressText, rangeText, tcpListeners } from './options-of.ts';

export type EgressSurroundings = Pick<
  EgressOptions,
  'resolver' | 'owners' | 'ownListeners' | 'parents' | 'sessionLog' | 'workers' | 'log' | 'metrics' | 'clock' | 'random'
> & {
  readonly config: Config;
  readonly sockets: readonly ReadySocket[];
};

export interface ComposedEgress {
  readonly egress: EgressFunction;
  /** Wants the certificates; null: TLS is off. */
  readonly terminator: Terminator | null;
  /** What can change under open connections, by another configuration. */
  reconfigure(proxy: HttpProxyConfig, parents: ParentLists): void;
}

export function composeEgress(proxy: HttpProxyConfig, surroundings: EgressSurroundings): ComposedEgress {
  const { config, sockets, ...shared } = surroundings;
  const terminator = proxy.tls ? createTerminator(shared) : null;
  const egress = createEgressFunction({
    ...shared,
    ...settingsOf(proxy, config),
    listeners: tcpListeners(sockets, 'httpProxy'),
    clearAuth: proxy.clearAuth,
    pseudonym: pseudonymOf(proxy),
    secure: terminator === null ? null : (socket, name) => terminator.secure(socket, name),
  });
  return {
    egress,
    terminator,
    reconfigure: (changed, parents) => egress.reconfigure({ ...settingsOf(changed, config), parents }),
  };
}

function settingsOf(proxy: HttpProxyConfig, { vips, dns }: Config): Omit<EgressChange, 'parents'> {
  const { rules, users, requireSniMatch, proxyProtocol } = proxy;
  const clients = {
    proxies: proxy.advertise.map(addressText),
    zones: [dns?.domain ?? 'mesos', 'thisdcos.directory'],
    direct: [...(vips === null ? [] : [rangeText(vips.range)]), ...proxy.direct],
  };
  return {
    ...accessSettings(proxy.limits, proxy.timeouts),
    ...{ rules, users, requireSniMatch, proxyProtocol },
    clients: proxy.pac ? clients : null,
    authAttempts: proxy.limits.authAttempts,
  };
}

/** The same in every worker: to others they are one proxy. */
function pseudonymOf({ listen }: HttpProxyConfig): string {
  const place = [hostname(), ...listen.map(addressText)].join(' ');
  return `isthmus-${createHash('sha256').update(place).digest('hex').slice(0, 8)}`;
}
