// A service port in mode tcp: each connection to a backend of the service, byte for byte. Without one it is accepted and closed: a client
// that is refused takes the whole address for dead.

import type { Socket } from 'node:net';
import type { Backend } from '../../src/cluster/index.ts';
import type { Tally } from '../../src/ports/index.ts';
import { connectForTunnel, openTunnel, type Clock, type Tunnel } from '../../src/runtime/index.ts';
import { addressGate } from './allow-list.ts';
import { introduction, type IntroducedPeer } from './introduction.ts';
import type { CompiledPort } from './route-plane.ts';
import type { BackendTarget } from './service.ts';

const connectMs = 3_000;

export interface TcpPortOptions {
  readonly clock: Clock;
  readonly tunnels: Set<Tunnel>;
  readonly idleMs: number;
  readonly halfCloseMs: number;
  readonly randomHash: () => number;
  readonly onTunnelEnd: () => void;
}

/** Takes over `socket`, paused. `known`: the client of whom a PROXY header told. */
export function serveTcp(
  socket: Socket,
  { route }: Pick<CompiledPort, 'route'>,
  options: TcpPortOptions,
  known: IntroducedPeer | null = null,
): void {
  const networks = route.options.entry?.networks;
  const peer = known ?? peerOf(socket);
  const client = peer.address;
  socket.on('error', () => undefined);
  if (networks !== undefined && !addressGate(networks)(client)) {
    route.counters.count(403);
    socket.destroy();
    return;
  }
  new TcpRelay(socket, peer, route, options).start();
}

function peerOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): IntroducedPeer {
  return {
    address: remoteAddress ?? '',
    port: remotePort ?? 0,
    localAddress: localAddress ?? '',
    localPort: localPort ?? 0,
  };
}

class TcpRelay {
  readonly #socket: Socket;
  readonly #peer: IntroducedPeer;
  readonly #route: CompiledPort['route'];
  readonly #options: TcpPortOptions;
  #tried: Set<string> | null = null;

  constructor(socket: Socket, peer: IntroducedPeer, route: CompiledPort['route'], options: TcpPortOptions) {
    this.#socket = socket;
    this.#peer = peer;
    this.#route = route;
    this.#options = options;
  }

  start(): void {
    const { service, counters } = this.#route;
    const hash = this.#options.randomHash();
    const tries = this.#tried?.size ?? 0;
    const backend = tries < service.tries ? service.picker.pick({ hash, tried: this.#tried }) : null;
    if (backend === null) {
      counters.count(503);
      this.#socket.destroy();
      return;
    }
    const target = service.targetOf(backend, '');
    const tally = service.picker.started(backend);
    target.meter.active.value++;
    target.meter.tries.value++;
    this.#connect(backend, target, tally);
  }

  #connect(backend: Backend, target: BackendTarget, tally: Tally): void {
    const { clock } = this.#options;
    const startedMs = clock.monotonic();
    const upstream = connectForTunnel({ host: backend.ip, port: backend.port });
    const settle = (): void => {
      timer.cancel();
      upstream.off('connect', onConnect).off('error', onFailed);
      this.#socket.off('close', onGone);
    };
    const onConnect = (): void => {
      settle();
      tally.judged('ok', clock.monotonic() - startedMs);
      this.#join(upstream, target, tally);
    };
    const onFailed = (): void => {
      settle();
      upstream.on('error', () => undefined).destroy();
      tally.judged('unreachable', clock.monotonic() - startedMs);
      this.#leave(target, tally);
      (this.#tried ??= new Set()).add(backend.key);
      this.start();
    };
    const onGone = (): void => {
      settle();
      upstream.on('error', () => undefined).destroy();
      this.#leave(target, tally);
    };
    const timer = clock.after(this.#route.service.entry?.timeouts?.connectMs ?? connectMs, onFailed);
    upstream.once('connect', onConnect).once('error', onFailed);
    this.#socket.once('close', onGone);
  }

  #join(upstream: Socket, target: BackendTarget, tally: Tally): void {
    const { tunnels, clock, idleMs, halfCloseMs, onTunnelEnd } = this.#options;
    const { counters, service } = this.#route;
    counters.count(200);
    if (service.sendProxy !== null) upstream.write(introduction(service.sendProxy, this.#peer));
    const tunnel = openTunnel(this.#socket, upstream, {
      idleMs: service.tunnelMs || idleMs,
      halfCloseMs,
      clock,
      onEnd: ({ bytesUp, bytesDown }) => {
        tunnels.delete(tunnel);
        target.meter.bytesIn.value += bytesUp;
        target.meter.bytesOut.value += bytesDown;
        this.#leave(target, tally);
        onTunnelEnd();
      },
    });
    tunnels.add(tunnel);
  }

  #leave(target: BackendTarget, tally: Tally): void {
    tally.ended();
    target.meter.active.value--;
  }
}
