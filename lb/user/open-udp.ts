// UDP sockets of the plane: one that receives at an address of a VIP, and those that lead to backends, one for each session.

import { createSocket, type RemoteInfo, type Socket, type SocketOptions } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { closeUdpWhenQuiet, codeOf } from '../../src/runtime/index.ts';
import type { OpenSocket } from './vip-listener.ts';

/** Sends one datagram back to a client, from the address of the VIP. */
export type Reply = (datagram: Buffer, port: number, ip: string) => void;

export interface OpenUdpOptions {
  readonly ip: string;
  readonly port: number;
  readonly reusePort: boolean;
  readonly onDatagram: (datagram: Buffer, from: RemoteInfo, reply: Reply) => void;
}

/** The socket, or the system's code. Never rejects. */
export function openUdp({ ip, port, reusePort, onDatagram }: OpenUdpOptions): Promise<OpenSocket | string> {
  const socket = createSocket({ ...optionsFor(ip), reusePort });
  const reply: Reply = (datagram, clientPort, client) => socket.send(datagram, clientPort, client, ignore);
  return new Promise((resolve) => {
    // Later errors are those of single datagrams.
    socket.on('error', (error) => resolve(codeOf(error) === '' ? 'unknown' : codeOf(error)));
    socket.on('message', (datagram, from) => onDatagram(datagram, from, reply));
    socket.bind({ address: ip, port, exclusive: true }, () => {
      resolve({ finish: () => closeUdpWhenQuiet(socket) });
    });
  });
}

/** A socket that will be connected to the backend at once: only the backend is heard, and its refusals are told. */
export function connectUdp(ip: string, port: number): Socket {
  const socket = createSocket(optionsFor(ip));
  socket.connect(port, ip);
  return socket;
}

/** Addresses need no look-up, which would cost a detour for each datagram. */
function optionsFor(ip: string): SocketOptions {
  return {
    type: isIPv6(ip) ? 'udp6' : 'udp4',
    lookup: (name, _options, found) => found(null, name, isIPv6(name) ? 6 : 4),
  };
}

const ignore = (): void => undefined;
