// A PROXY header in front of what a backend is sent: it says who the client is, so the connection is for that client's request alone.

import { connect, type Socket } from 'node:net';
import { proxyHeader } from '../../lb/index.ts';
import type { Peer } from '../http1/index.ts';
import type { BackendTarget } from './service.ts';

export type IntroducedPeer = Pick<Peer, 'address' | 'port' | 'localAddress' | 'localPort'>;

/** The header of a connection of `peer`. */
export function introduction(version: 'v1' | 'v2', peer: IntroducedPeer): Buffer {
  const { address, port, localAddress, localPort } = peer;
  return proxyHeader(version, { clientIp: address, clientPort: port, ownIp: localAddress, ownPort: localPort });
}

export function introducedTarget(target: BackendTarget, version: 'v1' | 'v2', peer: IntroducedPeer): BackendTarget {
  const { host, port } = target;
  const dial = (): Socket => {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
    socket.write(introduction(version, peer));
    return socket;
  };
  return {
    ...target,
    key: `${target.key} introduced`,
    keepAlive: false,
    dial,
    ...(target.http2 === undefined ? {} : { http2: { dial } }),
  };
}
