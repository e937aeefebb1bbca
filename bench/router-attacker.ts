// A process of its own for those who disturb, so that their work is not the work of who measures: `attack NAME PORT SIZES` goes at the
// router on PORT until SIGTERM, `backends` serves the back ends that disturb. What it sends, it sends as fast as it is taken.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Sizes {
  readonly idle: number;
  readonly slowHeads: number;
  readonly slowClients: number;
  readonly bodyBytes: number;
}

export const badPorts = { slow: 8481, giant: 8482, deaf: 8483, dead: 8484 } as const;
export type BadBackend = keyof typeof badPorts;
export const badHost = (name: BadBackend): string => `${name}.example`;

const block = Buffer.alloc(256 * 1024, 'x');

const get = (name: BadBackend): string => `GET / HTTP/1.1\r\nHost: ${badHost(name)}\r\n\r\n`;

type Attack = (port: number, sizes: Sizes) => Promise<void>;

export const attacks: Readonly<Record<string, Attack>> = {
  'slow clients': async (port, { slowClients }) => {
    const sockets = await open(port, slowClients, get('giant'));
    for (const socket of sockets) socket.pause();
    setInterval(() => {
      for (const socket of sockets) socket.read(1024);
    }, 100);
  },
  'slow back end': async (port, { slowClients }) => {
    await open(port, slowClients, get('slow'));
  },
  'a client that stops reading 1 GiB': async (port) => {
    const [socket] = await open(port, 1, get('giant'));
    socket?.pause();
  },
  '1 GiB to a dead back end': (port, { bodyBytes }) => upload(port, 'dead', bodyBytes),
  '1 GiB to a back end that does not read': (port, { bodyBytes }) => upload(port, 'deaf', bodyBytes),
  'idle connections': async (port, { idle }) => {
    // All at once would overflow the queue of the listener, which is another test.
    for (let opened = 0; opened < idle; opened += 500) await open(port, Math.min(500, idle - opened), '');
  },
  'slow heads': async (port, { slowHeads }) => {
    const sockets = await open(port, slowHeads, 'GET / HTTP/1.1\r\nHost: bench.example\r\nX: ');
    setInterval(() => {
      for (const socket of sockets) if (!socket.destroyed) socket.write('a');
    }, 100);
  },
};

async function open(port: number, count: number, text: string): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
  await Promise.all(
    sockets.map(async (socket) => {
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      if (text !== '') socket.write(text);
    }),
  );
  return sockets;
}

/** Uploads as fast as it is taken; begins anew where it was refused. */
function upload(port: number, name: BadBackend, bytes: number): Promise<void> {
  const begin = (): void => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined).on('close', () => setTimeout(begin, 10));
    socket.resume();
    socket.write(`POST / HTTP/1.1\r\nHost: ${badHost(name)}\r\nContent-Length: ${bytes}\r\n\r\n`);
    pour(socket, bytes);
  };
  begin();
  return Promise.resolve();
}

/** Writes so many octets, as fast as they are taken. */
function pour(socket: Socket, bytes: number): void {
  let left = bytes;
  const push = (): void => {
    while (left > 0 && socket.writable) {
      const part = block.subarray(0, left);
      left -= part.length;
      if (!socket.write(part)) return;
    }
  };
  socket.on('drain', push);
  push();
}

/** Who never answers, who answers with `bytes`, who never reads; nobody listens on the port of the dead one. */
function serve(bytes: number): void {
  const serving: Readonly<Record<Exclude<BadBackend, 'dead'>, (socket: Socket) => void>> = {
    slow: (socket) => void socket.resume(),
    giant: (socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
        pour(socket, bytes);
      });
    },
    deaf: (socket) => void socket.pause(),
  };
  for (const [name, on] of Object.entries(serving)) {
    const server = createServer((socket) => on(socket.on('error', () => undefined)));
    server.listen(badPorts[name as BadBackend], '127.0.0.1');
  }
}

if (import.meta.main) {
  const [what, name = '', port, sizes = '{}'] = process.argv.slice(2);
  if (what === 'backends') serve(Number(name));
  else await attacks[name]?.(Number(port), JSON.parse(sizes) as Sizes);
}
