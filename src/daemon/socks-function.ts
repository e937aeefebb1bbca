// The SOCKS proxy as the configuration wants it.

import { createTerminator, type ParentLists, type Terminator } from '../../proxies/access/index.ts';
import type { EgressFunction } from '../../proxies/egress/index.ts';
import {
  createSocksFunction,
  type SocksChange,
  type SocksFunction,
  type SocksOptions,
} from '../../proxies/socks/index.ts';
import type { SocksConfig } from './config/index.ts';
import type { ReadySocket } from './inherit.ts';
import { accessSettings, tcpListeners } from './options-of.ts';

export type SocksSurroundings = Omit<SocksOptions, 'listeners' | 'rules' | 'users'> & {
  readonly sockets: readonly ReadySocket[];
  /** Takes what speaks HTTP on a listener for both; null: nobody does. */
  readonly egress: EgressFunction | null;
};

export interface ComposedSocks {
  readonly socks: SocksFunction;
  /** Wants the certificates; null: TLS is off. */
  readonly terminator: Terminator | null;
  /** What can change under open sessions, by another configuration. */
  reconfigure(config: SocksConfig, parents: ParentLists): void;
}

export function composeSocks(config: SocksConfig, surroundings: SocksSurroundings): ComposedSocks {
  const { sockets, egress, ...shared } = surroundings;
  const { clearAuth, tls, mixed } = config;
  const terminator = tls ? createTerminator(shared) : null;
  const socks = createSocksFunction({
    ...shared,
    ...settingsOf(config),
    clearAuth,
    listeners: tcpListeners(sockets, 'socks'),
    secure: terminator === null ? null : (socket, name) => terminator.secure(socket, name),
    tlsOnly: tls,
    http: mixed && egress !== null ? (socket, listener, client) => egress.take(socket, listener, client) : null,
  });
  return {
    socks,
    terminator,
    reconfigure: (changed, parents) => socks.reconfigure({ ...settingsOf(changed), parents }),
  };
}

function settingsOf(config: SocksConfig): Omit<SocksChange, 'parents'> {
  const { rules, users, versions, commands, advertise, portRange, proxyProtocol } = config;
  const settings = { rules, users, versions, commands, advertise, portRange, proxyProtocol };
  return { ...accessSettings(config.limits, config.timeouts), ...settings };
}
