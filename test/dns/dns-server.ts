// A DNS function on real sockets for tests, and the clients that ask it.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';
import { createDnsFunction, type DnsFunction, type DnsFunctionOptions } from '../../dns/index.ts';
import {
  bindTcp,
  bindUdp,
  createMetrics,
  seededRandom,
  silentLogger,
  systemClock,
  type Metrics,
} from '../../src/runtime/index.ts';
import { readReply, type SeenReply } from './questions.ts';
import { liveZone, type LiveZone } from './samples.ts';

export interface RunningDns {
  readonly dns: DnsFunction;
  readonly metrics: Metrics;
  readonly port: number;
}

/** Listens on 127.0.0.1 over UDP and TCP, follows `zone` as it is now, and ends with the test. */
export async function runDns(
  t: Test,
  zone: LiveZone = liveZone(),
  options: Partial<DnsFunctionOptions> = {},
): Promise<RunningDns> {
  const { udp, tcp } = options.udp === undefined ? await bindBoth() : { udp: options.udp[0], tcp: undefined };
  if (udp === undefined) throw new Error('no listener');
  const metrics = createMetrics();
  const dns = createDnsFunction({
    udp: [udp],
    tcp: tcp === undefined ? [] : [tcp],
    log: silentLogger,
    metrics,
    clock: systemClock,
    random: seededRandom(1),
    ...options,
  });
  await dns.plane.replace(zone.view.table);
  await dns.start();
  t.teardown(() => dns.stop());
  return { dns, metrics, port: udp.port };
}

async function bindBoth(): Promise<{
  readonly udp: Awaited<ReturnType<typeof bindUdp>>;
  readonly tcp: ReturnType<typeof bindTcp>;
}> {
  for (let attempt = 0; ; attempt++) {
    const tcp = bindTcp('127.0.0.1', 0);
    try {
      return { tcp, udp: await bindUdp('127.0.0.1', tcp.port) };
    } catch (error) {
      if (attempt > 9) throw error;
    }
  }
}

/** One datagram there, one back. */
export async function askUdp(port: number, query: Buffer, from?: string): Promise<SeenReply> {
  const socket = createSocket('udp4');
  if (from !== undefined) {
    socket.bind(0, from);
    await once(socket, 'listening');
  }
  const answered = once(socket, 'message');
  socket.send(query, port, '127.0.0.1');
  const [bytes] = (await answered) as [Buffer];
  socket.close();
  return readReply(bytes);
}

export interface TcpClient {
  readonly socket: Socket;
  send(...queries: readonly Buffer[]): void;
  /** The next reply; rejects when the connection ends before. */
  next(): Promise<SeenReply>;
}

export async function connectTcp(t: Test, port: number): Promise<TcpClient> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  await once(socket, 'connect');
  t.teardown(() => void socket.destroy());
  socket.on('error', () => socket.destroy());
  let held = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    socket.emit('held');
  });
  return {
    socket,
    send(...queries) {
      socket.write(Buffer.concat(queries.map(framed)));
    },
    async next() {
      while (held.length < 2 || held.length < 2 + held.readUInt16BE(0)) {
        if (socket.readableEnded || socket.destroyed) throw new Error('the connection ended');
        await Promise.race([once(socket, 'held'), once(socket, 'end'), once(socket, 'close')]);
      }
      const end = 2 + held.readUInt16BE(0);
      const message = held.subarray(2, end);
      held = held.subarray(end);
      return readReply(message);
    },
  };
}

export function framed(query: Buffer): Buffer {
  const bytes = Buffer.alloc(query.length + 2);
  bytes.writeUInt16BE(query.length);
  query.copy(bytes, 2);
  return bytes;
}
