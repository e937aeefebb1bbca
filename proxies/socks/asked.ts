// A client and its request, as the commands know them, and how a request is turned down.

import type { Socket } from 'node:net';
import type { TcpListener } from '../../src/runtime/index.ts';
import {
  dialectsOf,
  sayFarewell,
  type Admission,
  type AskedFor,
  type Command,
  type Destination,
  type FailureReason,
  type RuledCore,
  type Session,
} from '../access/index.ts';
import type { Handshake } from './handshake.ts';
import { reply4, reply5 } from './messages.ts';
import type { SocksOptions } from './options.ts';
import type { SocksMetrics } from './socks-metrics.ts';

export interface Client {
  readonly core: RuledCore;
  readonly options: SocksOptions;
  readonly metrics: SocksMetrics;
  /** TLS or plain. */
  readonly socket: Socket;
  /** Who it is, by the PROXY header of a listed peer or by its address. */
  readonly address: string;
  readonly listener: TcpListener;
  readonly session: Session;
  /** Ends it all after a fault of our own. */
  readonly fault: (error: unknown) => void;
}

/** A request that may be served, by what is known before its destination is looked at. */
export interface Asked extends Client {
  readonly shake: Handshake;
  readonly destination: Destination;
  readonly admission: Admission;
}

/** Ends the session before anything was granted. */
export function refuseWith({ socket, session, options }: Client, version: 4 | 5, reason: FailureReason): void {
  session.end({ verdict: 'deny', reason });
  sayFarewell(socket, version === 4 ? reply4(91) : reply5(dialectsOf(reason).socks5, '', 0), options.clock);
}

/** As `refuseWith`, for a request that was admitted. */
export function refuse(asked: Asked, reason: FailureReason): void {
  asked.admission.release();
  refuseWith(asked, asked.shake.version, reason);
}

/** What the rules are asked. */
export const askedFor = ({ address, shake, destination }: Asked, command: Command): AskedFor => ({
  client: address,
  user: shake.user,
  command,
  destination,
  port: shake.request.port,
  defaultPort: null,
});
