// An upstream DNS server on loopback that answers as a test tells it to, over UDP and TCP on one port.

import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import type { Test } from 'tap';

export interface SeenQuery {
  readonly bytes: Buffer;
  readonly transport: 'udp' | 'tcp';
  readonly id: number;
  readonly name: string;
  readonly type: string;
  readonly hasEdns: boolean;
  /** Port that it came from. */
  readonly port: number;
}

/** Packets to send back, one after the other; none: silence. */
export type Script = (query: SeenQuery) => readonly Buffer[];

export interface FakeUpstream {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly seen: readonly SeenQuery[];
}

/** Ends with the test. */
export async function fakeUpstream(t: Test, script: Script): Promise<FakeUpstream> {
  const seen: SeenQuery[] = [];
  const note = (bytes: Buffer, transport: 'udp' | 'tcp', port: number): SeenQuery => {
    const packet = dnsPacket.decode(bytes);
    const question = packet.questions?.[0];
    const query = {
      bytes,
      transport,
      id: packet.id ?? -1,
      name: question?.name ?? '',
      type: question?.type ?? '',
      hasEdns: (packet.additionals ?? []).some(({ type }) => type === 'OPT'),
      port,
    };
    seen.push(query);
    return query;
  };
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      for (const reply of script(note(chunk.subarray(2), 'tcp', socket.remotePort ?? 0))) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        socket.write(Buffer.concat([length, reply]));
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = createSocket('udp4');
  socket.on('message', (bytes: Buffer, from: RemoteInfo) => {
    for (const reply of script(note(bytes, 'udp', from.port))) socket.send(reply, from.port, from.address);
  });
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => {
    socket.close();
    server.close();
  });
  return { address: `127.0.0.1:${port}`, seen };
}

/** A reply to `query` with these answers; `changes` make it a lie. */
export function replyTo(query: SeenQuery, answers: readonly Answer[], changes: Partial<Packet> = {}): Buffer {
  return dnsPacket.encode({
    type: 'response',
    id: query.id,
    flags: dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE,
    questions: [{ name: query.name, type: 'A' }],
    answers: [...answers],
    ...changes,
  });
}

export const address = (name: string, data: string, ttl = 300): Answer => ({ type: 'A', name, ttl, data });

/** A reply with nothing but a code. */
export function codeTo(query: SeenQuery, code: number): Buffer {
  const reply = replyTo(query, []);
  reply.writeUInt8((reply.readUInt8(3) & 0xf0) | code, 3);
  return reply;
}
