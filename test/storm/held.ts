// Connections that are held as long as they last: WebSockets through the router and tunnels through SOCKS, each speaking twice a second.

import { connect, type Socket } from 'node:net';
import { firstBytes, Lost, socksTunnel } from './clients.ts';
import type { Targets } from './targets.ts';

/** An open conversation. */
export interface Conversation {
  readonly socket: Socket;
  readonly task: string | undefined;
  /** Sends a word; whatever comes back is the echo. */
  speak(): void;
}

export async function openWebSocket({ http, host }: Targets): Promise<Conversation> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const dialled = connect(http, '127.0.0.1', () => resolve(dialled));
    dialled.once('error', (error) => reject(new Lost(error.message)));
  });
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c3Rvcm0gb2YgYW4gaG91ciE=\r\n\r\n',
  );
  const head = (await firstBytes(socket)).toString('latin1');
  if (!head.startsWith('HTTP/1.1 101')) throw new Lost(head.split('\r\n')[0] ?? '');
  // A text frame of five octets, masked by zeros (RFC 6455 §5.2).
  const frame = Buffer.concat([Buffer.from([0x81, 0x85, 0, 0, 0, 0]), Buffer.from('storm')]);
  return { socket, task: /x-task: (\S+)/i.exec(head)?.[1], speak: () => void socket.write(frame) };
}

export async function openHeldTunnel({ socks, vipName }: Targets): Promise<Conversation> {
  const socket = await socksTunnel(socks, vipName);
  const call = 'GET / HTTP/1.1\r\nHost: any\r\n\r\n';
  socket.write(call);
  const head = (await firstBytes(socket)).toString('latin1');
  return { socket, task: /x-task: (\S+)/i.exec(head)?.[1], speak: () => void socket.write(call) };
}
