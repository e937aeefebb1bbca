// A program that lives in one network namespace of a test: greets whoever connects with its name and the address it sees, echoes lines,
// and connects to others by its parent's order.

import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { connect, createServer, type Socket } from 'node:net';
import type { AgentOrder } from './network.ts';

const name = process.argv[2] ?? '';
const port = Number(process.argv[3] ?? 8080);
const patienceMs = 4_000;
const held = new Map<number, Socket>();
const failures = new Map<number, string>();
const sockets = new Map<number, Datagrams>();

const plain = (address = ''): string => address.replace(/^::ffff:/, '');

createServer((socket) => {
  socket.on('error', () => undefined);
  socket.write(`${name} ${plain(socket.remoteAddress)}\n`);
  socket.pipe(socket);
}).listen({ port, host: '::' }, () => {
  // One for each address: an answer must come from the address that was asked.
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const bound = own
    .filter(({ address }) => !address.startsWith('fe80'))
    .map(({ address }) => {
      const udp = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4' });
      udp.on('message', (_, from) => udp.send(`${name} ${from.address}`, from.port, from.address));
      return new Promise<void>((resolve) => udp.bind(port, address, resolve));
    });
  void Promise.all(bound).then(() => process.send?.({ type: 'ready' }));
});

process.on('message', (order: AgentOrder) => {
  void obey(order).then(
    (text) => process.send?.({ type: 'answer', id: order.id, text }),
    (error: NodeJS.ErrnoException) =>
      process.send?.({ type: 'answer', id: order.id, text: error.code ?? error.message }),
  );
});
process.on('disconnect', () => process.exit(0));

async function obey(order: AgentOrder): Promise<string> {
  if (order.type === 'tcp') {
    const socket = connect(order.port, order.ip);
    socket.on('error', () => undefined);
    const greeting = await nextText(socket);
    if (order.hold === undefined) socket.destroy();
    else hold(order.hold, socket);
    return greeting;
  }
  if (order.type === 'say') {
    const socket = held.get(order.hold);
    if (socket === undefined) return 'not held';
    // What ended it may have come while nobody asked.
    if (socket.destroyed) return failures.get(order.hold) ?? 'closed';
    const answer = nextText(socket);
    socket.write('still here\n');
    return answer;
  }
  return datagram(order);
}

function hold(number: number, socket: Socket): void {
  held.set(number, socket);
  failures.delete(number);
  socket.on('error', (error: NodeJS.ErrnoException) => failures.set(number, error.code ?? error.message));
}

function nextText(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => settle(() => reject(new Error('timeout'))), patienceMs);
    const settle = (act: () => void): void => {
      clearTimeout(late);
      socket.off('data', onData).off('error', onError).off('close', onClose);
      act();
    };
    const onData = (data: Buffer): void => settle(() => resolve(data.toString().trim()));
    const onError = (error: Error): void => settle(() => reject(error));
    const onClose = (): void => settle(() => reject(new Error('closed')));
    socket.on('data', onData).on('error', onError).on('close', onClose);
  });
}

/** From one socket for each number of `hold`: the kernel takes its datagrams for one flow. */
function datagram({ ip, port: to, hold = -1 }: AgentOrder & { type: 'udp' }): Promise<string> {
  return new Promise((resolve, reject) => {
    const known = sockets.get(hold);
    const socket = known ?? createSocket(ip.includes(':') ? 'udp6' : 'udp4');
    const late = setTimeout(() => end(() => reject(new Error('timeout'))), patienceMs);
    const end = (act: () => void): void => {
      clearTimeout(late);
      socket.removeAllListeners('message').removeAllListeners('error');
      socket.on('error', () => undefined);
      if (hold < 0) socket.close();
      act();
    };
    socket.on('message', (data) => end(() => resolve(data.toString())));
    socket.on('error', (error) => end(() => reject(error)));
    const send = (): void => socket.send('hello');
    if (known !== undefined) send();
    else {
      if (hold >= 0) sockets.set(hold, socket);
      // Connected: an ICMP error becomes an error of the socket.
      socket.connect(to, ip, send);
    }
  });
}
