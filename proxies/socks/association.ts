// One UDP association: who may send, where to, and whose answers come back. Decisions are made once for each destination and kept until the
// rules change.

import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { canonicalIp, parseDestination, type AskedFor, type Destination, type Rules } from '../access/index.ts';
import type { Asked } from './asked.ts';
import { datagramHead, readDatagram } from './messages.ts';
import type { DatagramOutcome } from './socks-metrics.ts';
import { openUdp } from './udp-socket.ts';

/** Payload of a datagram over IPv4 at most. */
const longestDatagram = 65_507;
/** Of one destination whose name is being resolved. */
const mostWaiting = 8;

/** A destination as the client wrote it. */
interface Peer {
  /** Null: not decided yet, or denied. */
  ip: string | null;
  readonly port: number;
  denied: 'denied' | 'unresolved' | null;
  waiting: Buffer[];
}

type Family = '0.0.0.0' | '::';

export class Association {
  readonly #asked: Asked;
  /** Towards the client. */
  readonly #inner: UdpSocket;
  /** Towards destinations, one for each family, opened when it is needed; `#opening` has those that are not open yet. */
  readonly #outer = new Map<Family, UdpSocket>();
  readonly #opening = new Map<Family, Promise<UdpSocket | null>>();
  readonly #peers = new Map<string, Peer>();
  /** `ip port` of all that was sent to. */
  readonly #sentTo = new Map<string, Buffer>();
  readonly #gone = new AbortController();
  #rules: Rules;
  #clientPort: number | null = null;
  #tokens: number;
  #filledAt: number;
  /** Monotonic milliseconds of the last datagram that passed. */
  movedAt: number;
  bytesUp = 0;
  bytesDown = 0;

  constructor(asked: Asked, inner: UdpSocket) {
    const { core, options } = asked;
    this.#asked = asked;
    this.#inner = inner;
    this.#rules = core.rules;
    this.#tokens = core.limits.udpDatagramsPerSecond;
    this.#filledAt = options.clock.monotonic();
    this.movedAt = this.#filledAt;
  }

  /** A datagram that came to the client's side. */
  onClient(bytes: Buffer, from: RemoteInfo): void {
    if (canonicalIp(from.address) !== this.#asked.address || from.port !== (this.#clientPort ?? from.port)) {
      this.#drop('up', 'stranger');
      return;
    }
    const datagram = readDatagram(bytes);
    if (datagram.kind !== 'datagram') {
      this.#drop('up', datagram.kind);
      return;
    }
    this.#clientPort = from.port;
    if (!this.#mayPass()) {
      this.#drop('up', 'rate');
      return;
    }
    const peer = this.#peerOf(datagram.host, datagram.port);
    if (peer === null) return;
    if (peer.denied !== null) this.#drop('up', peer.denied);
    else if (peer.ip !== null) this.#send(peer.ip, peer.port, datagram.payload);
    else if (peer.waiting.length < mostWaiting) peer.waiting.push(datagram.payload);
    else this.#drop('up', 'unresolved');
  }

  close(): void {
    this.#gone.abort();
    this.#inner.close();
    for (const socket of this.#outer.values()) socket.close();
  }

  #peerOf(host: string, port: number): Peer | null {
    const { core } = this.#asked;
    if (core.rules !== this.#rules) {
      this.#rules = core.rules;
      this.#peers.clear();
    }
    const key = `${host} ${port}`;
    const known = this.#peers.get(key);
    if (known !== undefined) return known;
    const destination = parseDestination(host);
    if ('rejected' in destination || port === 0) {
      this.#drop('up', 'malformed');
      return null;
    }
    if (this.#peers.size >= core.limits.udpPeers) {
      this.#drop('up', 'peers');
      return null;
    }
    const peer: Peer = { ip: null, port, denied: null, waiting: [] };
    this.#peers.set(key, peer);
    void this.#decide(key, peer, destination);
    return peer;
  }

  /** For an address this is done when it returns: nothing is waited for. */
  async #decide(key: string, peer: Peer, destination: Destination): Promise<void> {
    const { core, address, shake, session, admission } = this.#asked;
    const { port } = peer;
    const asked: AskedFor = { client: address, user: shake.user, command: 'udp', destination, port, defaultPort: null };
    const first = core.preview(asked);
    if (first.verdict === 'deny') {
      peer.denied = 'denied';
      session.note({ rule: first.rule, denied: first.reason });
      return;
    }
    // Parents carry no datagrams; what has to go through one does not go.
    if (first.via !== null) {
      peer.denied = 'denied';
      return;
    }
    if (destination.kind === 'ip') {
      if (core.followRule(admission, first.rule, address) === null) peer.ip = destination.ip;
      else this.#putOff(key, peer);
      return;
    }
    const located = await core.dialer.locate({
      ...core.dialRequest(asked, first, admission),
      signal: this.#gone.signal,
    });
    const waiting = peer.waiting;
    peer.waiting = [];
    const [ip] = 'failure' in located || located.via !== null ? [] : located.allowed;
    if (ip === undefined) {
      const failure = 'failure' in located ? located.failure : 'denied';
      peer.denied = isDnsFailure(failure) ? 'unresolved' : 'denied';
      if (failure === 'limit' || failure === 'rate') this.#putOff(key, peer);
      for (let i = 0; i < waiting.length; i++) this.#drop('up', peer.denied);
      return;
    }
    peer.ip = ip;
    for (const payload of waiting) this.#send(ip, port, payload);
  }

  /** A limit that is reached now may not be when the next datagram comes. */
  #putOff(key: string, peer: Peer): void {
    peer.denied = 'denied';
    this.#peers.delete(key);
  }

  #send(ip: string, port: number, payload: Buffer): void {
    const family = ip.includes(':') ? '::' : '0.0.0.0';
    const socket = this.#outer.get(family);
    if (socket === undefined) {
      void this.#open(family).then((opened) => {
        if (opened === null) this.#drop('up', 'error');
        else if (!this.#gone.signal.aborted) this.#send(ip, port, payload);
      });
      return;
    }
    const key = `${ip} ${port}`;
    if (!this.#sentTo.has(key)) this.#sentTo.set(key, datagramHead(ip, port));
    this.#asked.metrics.datagram('up', 'passed');
    this.bytesUp += payload.length;
    this.movedAt = this.#asked.options.clock.monotonic();
    socket.send(payload, port, ip, () => undefined);
  }

  #open(family: Family): Promise<UdpSocket | null> {
    let opening = this.#opening.get(family);
    if (opening !== undefined) return opening;
    opening = openUdp(family, 0).then(
      (socket) => {
        if (this.#gone.signal.aborted) socket.close();
        else this.#outer.set(family, socket);
        return socket.on('message', (bytes: Buffer, from: RemoteInfo) => this.#onPeer(bytes, from));
      },
      () => null,
    );
    this.#opening.set(family, opening);
    return opening;
  }

  #onPeer(bytes: Buffer, from: RemoteInfo): void {
    const head = this.#sentTo.get(`${canonicalIp(from.address) ?? ''} ${from.port}`);
    if (head === undefined || this.#clientPort === null) {
      this.#drop('down', 'stranger');
      return;
    }
    if (head.length + bytes.length > longestDatagram) {
      this.#drop('down', 'length');
      return;
    }
    if (!this.#mayPass()) {
      this.#drop('down', 'rate');
      return;
    }
    this.#asked.metrics.datagram('down', 'passed');
    this.bytesDown += bytes.length;
    this.movedAt = this.#asked.options.clock.monotonic();
    this.#inner.send([head, bytes], this.#clientPort, this.#asked.address, () => undefined);
  }

  /** A second's worth of datagrams may come at once. */
  #mayPass(): boolean {
    const most = this.#asked.core.limits.udpDatagramsPerSecond;
    if (most === Infinity) return true;
    const now = this.#asked.options.clock.monotonic();
    this.#tokens = Math.min(most, this.#tokens + ((now - this.#filledAt) / 1000) * most);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  #drop(direction: 'up' | 'down', outcome: DatagramOutcome): void {
    this.#asked.metrics.datagram(direction, outcome);
  }
}

const isDnsFailure = (failure: string): boolean => failure === 'nonexistent' || failure.startsWith('dns-');
