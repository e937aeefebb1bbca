// Load for bench/proxies, a program of its own on the load's core: connections through a proxy (CONNECT, SOCKS5) or without, requests on
// each. Prints one line RESULT. Arguments: one JSON text of `TunnelLoad`.

import { connect, type Socket } from 'node:net';

export interface TunnelLoad {
  readonly port: number;
  readonly via: 'none' | 'connect' | 'socks5';
  /** Port of 127.0.0.1 behind the proxy. */
  readonly target: number;
  readonly path: string;
  readonly connections: number;
  /** Requests on a connection before it is closed; 0: no end. */
  readonly requests: number;
  readonly seconds: number;
}

const load = JSON.parse(process.argv[2] ?? '{}') as TunnelLoad;
const endAt = performance.now() + load.seconds * 1000;
const times: number[] = [];
let failures = 0;
let open = 0;
const request = `GET ${load.path} HTTP/1.1\r\nHost: 127.0.0.1:${load.target}\r\n\r\n`;
const opening: Record<TunnelLoad['via'], readonly (readonly [bytes: string, answer: (got: string) => boolean])[]> = {
  none: [],
  connect: [
    [
      `CONNECT 127.0.0.1:${load.target} HTTP/1.1\r\nHost: 127.0.0.1:${load.target}\r\n\r\n`,
      (got) => got.endsWith('\r\n\r\n'),
    ],
  ],
  socks5: [
    ['\x05\x01\x00', (got) => got.length === 2],
    [
      `\x05\x01\x00\x01\x7f\x00\x00\x01${String.fromCharCode(load.target >> 8, load.target & 255)}`,
      (got) => got.length === 10,
    ],
  ],
};

function begin(): void {
  if (performance.now() >= endAt) {
    if (open === 0) finish();
    return;
  }
  open++;
  const steps = [...opening[load.via]];
  let startedAt = performance.now();
  let text = '';
  let left = -1;
  let done = 0;
  const socket: Socket = connect({
    port: load.port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafe(256 * 1024),
      callback(count, bytes) {
        onBytes(bytes as Buffer, count);
        return true;
      },
    },
  });
  const next = (): void => {
    const step = steps[0];
    if (step !== undefined) socket.write(step[0], 'latin1');
    else {
      if (done > 0) startedAt = performance.now();
      socket.write(request, 'latin1');
    }
  };
  const onBytes = (bytes: Buffer, count: number): void => {
    const step = steps[0];
    if (step !== undefined) {
      text += bytes.toString('latin1', 0, count);
      if (!step[1](text)) return;
      text = '';
      steps.shift();
      next();
      return;
    }
    if (left < 0) {
      text += bytes.toString('latin1', 0, count);
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      left = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0) - (text.length - end - 4);
      text = '';
    } else left -= count;
    if (left > 0) return;
    left = -1;
    times.push(performance.now() - startedAt);
    done++;
    if (performance.now() >= endAt || done === load.requests) socket.destroy();
    else next();
  };
  socket.once('connect', next);
  socket.on('error', () => failures++);
  socket.once('close', () => {
    open--;
    if (done === 0) failures++;
    begin();
  });
}

function finish(): void {
  times.sort((a, b) => a - b);
  const at = (part: number): number =>
    Math.round((times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0) * 1000);
  process.stdout.write(`RESULT ${times.length} ${failures} ${at(0.5)} ${at(0.99)} ${at(0.999)}\n`);
  process.exit(0);
}

if (process.argv[2] !== undefined) for (let i = 0; i < load.connections; i++) begin();
