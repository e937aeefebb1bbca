// UDP sockets that send to addresses alone: no look-up, and no detour over the next tick for one.

import { createSocket, type Socket } from 'node:dgram';
import { isIP, isIPv6 } from 'node:net';

/** Rejects with the system's error. */
export function openUdp(address: string, port: number): Promise<Socket> {
  const socket = createSocket({
    type: isIPv6(address) ? 'udp6' : 'udp4',
    ipv6Only: address === '::',
    lookup: (host, _options, found) => found(null, host, isIP(host)),
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', reject);
      // Of one datagram, such as an ICMP message about the one before; the association goes on.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}
