// Fakes at the addresses that the cases name: masters that know `/state` alone, and upstream DNS servers.

import dnsPacket, { type Answer } from 'dns-packet';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { makeLocal } from './dns-namespace.ts';

export interface Fake {
  close(): Promise<void>;
}

/** A master of old: no stream, so that its `/state` is polled. */
export async function startFakeMaster(ip: string, port: number, state: unknown): Promise<Fake> {
  makeLocal([ip]);
  const body = JSON.stringify(state);
  const server = createHttpServer((request, response) => {
    request.resume();
    const isState = request.method === 'GET' && /\/state(\.json)?$/.test((request.url ?? '').split('?')[0] ?? '');
    response.writeHead(isState ? 200 : 404, { 'content-type': 'application/json' }).end(isState ? body : '{}');
  });
  server.listen(port, ip);
  await once(server, 'listening');
  return {
    close: async () => {
      server.closeAllConnections();
      await closed(server);
    },
  };
}

/** What a fake upstream does with a question: records, silence, or as a server that is not there. */
export type UpstreamRule = (name: string, type: string, transport: 'udp' | 'tcp') => UpstreamAnswer;

export interface UpstreamAnswer {
  /** `cut`: TC and nothing else. */
  readonly kind: 'answers' | 'cut' | 'silence' | 'eof';
  readonly answers?: readonly Answer[];
  /** UDP size in the reply's OPT; absent: no OPT. */
  readonly edns?: number;
  readonly delayMs?: number;
}

/** Listens on UDP and TCP. With `noUdp` nobody listens there, which the kernel reports to who asks. */
export async function startFakeUpstream(ip: string, port: number, rule: UpstreamRule, noUdp = false): Promise<Fake> {
  makeLocal([ip]);
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    let held = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      for (; held.length >= 2 && held.length >= 2 + held.readUInt16BE(0);) {
        const end = 2 + held.readUInt16BE(0);
        answerTcp(socket, held.subarray(2, end), rule);
        held = held.subarray(end);
      }
    });
  });
  server.listen(port, ip);
  await once(server, 'listening');
  const udp = noUdp ? null : await openUdp(ip, port, rule);
  return {
    close: async () => {
      udp?.close();
      await closed(server);
    },
  };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

async function openUdp(ip: string, port: number, rule: UpstreamRule): Promise<UdpSocket> {
  const socket = createSocket(isIPv6(ip) ? 'udp6' : 'udp4');
  let isOpen = true;
  socket.once('close', () => (isOpen = false));
  socket.on('message', (query, from) => {
    reply(query, rule, 'udp', (message) => {
      if (message !== null && isOpen) socket.send(message, from.port, from.address);
    });
  });
  socket.bind(port, ip);
  await once(socket, 'listening');
  return socket;
}

function answerTcp(socket: Socket, query: Buffer, rule: UpstreamRule): void {
  reply(query, rule, 'tcp', (message) => {
    if (message === null) return void socket.destroy();
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    if (!socket.destroyed) socket.write(Buffer.concat([length, message]));
  });
}

/** Calls back with the reply, with null for an end of the connection, or never. */
function reply(
  query: Buffer,
  rule: UpstreamRule,
  transport: 'udp' | 'tcp',
  send: (message: Buffer | null) => void,
): void {
  const packet = dnsPacket.decode(query);
  const question = packet.questions?.[0];
  if (question === undefined) return;
  const answer = rule(question.name, question.type, transport);
  if (answer.kind === 'silence') return;
  if (answer.kind === 'eof') return send(null);
  const opt = { type: 'OPT', name: '.', udpPayloadSize: answer.edns ?? 0, flags: 0, options: [] } as unknown as Answer;
  const message = dnsPacket.encode({
    type: 'response',
    id: packet.id ?? 0,
    flags: dnsPacket.RECURSION_DESIRED | (answer.kind === 'cut' ? dnsPacket.TRUNCATED_RESPONSE : 0),
    questions: [question],
    answers: [...(answer.answers ?? [])],
    additionals: answer.edns === undefined ? [] : [opt],
  });
  if (answer.delayMs === undefined) send(message);
  else setTimeout(() => send(message), answer.delayMs).unref();
}

/** Records of an address each, with the case's TTL. */
export const addressAnswers = (name: string, type: 'A' | 'AAAA', addresses: readonly string[], ttl = 60): Answer[] =>
  addresses.map((data) => ({ name, type, ttl, data }));
