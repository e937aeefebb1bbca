// What the HTTP proxy is made of.

import type { AccessChange, RuledProxyOptions, Secure } from '../access/index.ts';
import type { ClientOptions } from './client-pages.ts';

export interface EgressOptions extends RuledProxyOptions {
  /** Serves `/proxy.pac`, `/wpad.dat`, `/proxy.env` and `/proxy.json`; null or absent: not. */
  readonly clients?: ClientOptions | null;
  /** Our name in Via fields, one for all that are this proxy to others; made up where absent. */
  readonly pseudonym?: string;
  /** A tunnel must begin with a TLS ClientHello whose server name is that of its CONNECT. */
  readonly requireSniMatch?: boolean;
  /** Wrong passwords on one connection, after which it ends; 0: any number. */
  readonly authAttempts?: number;
  /** Networks of peers that send a PROXY header first, and must. */
  readonly proxyProtocol?: readonly string[];
  /** Everybody on our own listeners speaks TLS, by this; null or absent: nobody. Passwords need no `clearAuth` then. */
  readonly secure?: Secure | null;
}

/** What may change while it serves: limits, timeouts and parents as a whole, of the others what is named. `users`: not from or to null. */
export type EgressChange = AccessChange &
  Pick<EgressOptions, 'rules' | 'users' | 'clients' | 'requireSniMatch' | 'authAttempts' | 'proxyProtocol'>;
