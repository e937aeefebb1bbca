// Idle tunnels for bench/proxies, a program of its own: a server, and so many connections to it through a proxy that carry one byte and then
// nothing. Prints READY when all are open and ends with its stdin. Arguments: one JSON text of `IdleLoad`.

import { connect, createServer } from 'node:net';

export interface IdleLoad {
  readonly port: number;
  readonly via: 'socks5' | 'connect' | 'none';
  readonly target: number;
  readonly tunnels: number;
}

const load = JSON.parse(process.argv[2] ?? '{}') as IdleLoad;
const atOnce = 50;
const openings: Readonly<Record<IdleLoad['via'], string>> = {
  none: '',
  connect: `CONNECT 127.0.0.1:${load.target} HTTP/1.1\r\nHost: 127.0.0.1:${load.target}\r\n\r\n`,
  socks5: `\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01${String.fromCharCode(load.target >> 8, load.target & 255)}`,
};

function open(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(load.port, '127.0.0.1');
    const opening = openings[load.via];
    // SOCKS is asked in two steps: some servers read one message a time.
    socket.write(load.via === 'socks5' ? opening.slice(0, 3) : opening, 'latin1');
    let seen = 0;
    socket.on('data', (bytes) => {
      if (load.via === 'socks5' && seen === 0) socket.write(opening.slice(3), 'latin1');
      seen += bytes.length;
      if (bytes.at(-1) === 0x21) resolve();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('a tunnel was closed')));
  });
}

const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.write('!');
});
server.listen({ port: load.target, host: '127.0.0.1', backlog: 1024 }, () => {
  void (async () => {
    for (let i = 0; i < load.tunnels; i += atOnce) await Promise.all(Array.from({ length: atOnce }, open));
    process.stdout.write('READY\n');
  })().catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  });
});
process.stdin.resume().on('end', () => process.exit(0));
