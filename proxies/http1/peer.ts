// The client of a connection, and how many connections each has.

import type { Socket } from 'node:net';
import { parseIPv6 } from '../../src/cluster/index.ts';
import type { CidrMatcher } from '../../src/runtime/index.ts';
import type { Peer, PeerTls } from './exchange.ts';

/** What those who accepted a connection know better than its socket. */
export interface KnownOfClient {
  readonly tls: PeerTls | null;
  readonly addresses: Pick<Peer, 'address' | 'port' | 'localAddress' | 'localPort'> | null;
}

/** Null where the client has gone already. */
export function peerOf(
  socket: Socket,
  secure: boolean,
  trusted: CidrMatcher | undefined,
  known: KnownOfClient | null = null,
): Peer | null {
  const { remoteAddress, remotePort } = socket;
  const tls = known?.tls ?? null;
  const said = known?.addresses ?? null;
  // A system call, which those who know are spared.
  const localAddress = said?.localAddress ?? socket.localAddress;
  if (remoteAddress === undefined || localAddress === undefined) return null;
  return {
    address: plainAddress(said?.address ?? remoteAddress),
    port: said?.port ?? remotePort ?? 0,
    trusted: trusted?.has(said?.address ?? remoteAddress) ?? false,
    localAddress: plainAddress(localAddress),
    localPort: said?.localPort ?? socket.localPort ?? 0,
    secure,
    ...(tls === null ? {} : { tls }),
    statement: '',
  };
}

const plainAddress = (address: string): string => (address.startsWith('::ffff:') ? address.slice(7) : address);

/** Connections by client. */
export class ClientCount {
  readonly #byClient = new Map<string, number>();

  /** Counts a connection of the peer's client; false, uncounted, where it has `most` already. */
  add(peer: Peer, most: number): boolean {
    const key = clientKey(peer);
    if (key === '') return true;
    const now = (this.#byClient.get(key) ?? 0) + 1;
    if (now > most) return false;
    this.#byClient.set(key, now);
    return true;
  }

  remove(peer: Peer): void {
    const key = clientKey(peer);
    const now = this.#byClient.get(key);
    if (now === undefined) return;
    if (now > 1) this.#byClient.set(key, now - 1);
    else this.#byClient.delete(key);
  }
}

/** An IPv4 address or an IPv6 /64; '' for loopback and trusted peers, behind which many clients stand. */
function clientKey(peer: Peer): string {
  if (peer.trusted || peer.address.startsWith('127.') || peer.address === '::1') return '';
  const groups = parseIPv6(peer.address);
  return groups === null ? peer.address : groups.slice(0, 4).join(':');
}
