// What the SOCKS proxy is made of.

import type { Socket } from 'node:net';
import type { TcpListener } from '../../src/runtime/index.ts';
import type { AccessChange, Command, RuledProxyOptions, Secure } from '../access/index.ts';
import type { SocksVersion } from './handshake.ts';

export interface SocksOptions extends RuledProxyOptions {
  /** Versions that are spoken; [5] where absent. */
  readonly versions?: readonly SocksVersion[];
  /** Commands that are served; ['connect'] where absent. */
  readonly commands?: readonly Command[];
  /** Address that clients of BIND and UDP are told; null or absent: the one that they reached us at. */
  readonly advertise?: string | null;
  /** Ports for BIND and UDP, both ends included; null or absent: any free one. */
  readonly portRange?: PortRange | null;
  /** Networks of peers that send a PROXY header first, and must. */
  readonly proxyProtocol?: readonly string[];
  /** Makes a server's end of TLS of an accepted socket; null or absent: no TLS. */
  readonly secure?: Secure | null;
  /** Nobody is heard without TLS. Passwords need no `clearAuth` then. */
  readonly tlsOnly?: boolean;
  /** Serves those whose first byte is a letter, by HTTP; null or absent: nobody does. The socket is paused and has all its bytes. */
  readonly http?: ((socket: Socket, listener: TcpListener, client: string) => void) | null;
}

/** What may change while it serves: limits, timeouts and parents as a whole, of the others what is named. `users`: not from or to null. */
export type SocksChange = AccessChange &
  Pick<SocksOptions, 'rules' | 'users' | 'versions' | 'commands' | 'advertise' | 'portRange' | 'proxyProtocol'>;

export interface PortRange {
  readonly first: number;
  readonly last: number;
}
