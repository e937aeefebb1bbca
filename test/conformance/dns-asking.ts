// Asks a DNS server over UDP or TCP, and shows the reply as the cases write theirs. Decoded by dns-packet, not by the codec under test.

import dnsPacket, { type DecodedPacket, type Packet, type RecordType } from 'dns-packet';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { canonicalAddress } from '../../dns/wire/index.ts';

export interface Server {
  readonly host: string;
  readonly port: number;
}

export type Transport = 'udp' | 'tcp';

/** Fields as the cases name them; names without the dot at their end. */
export type SeenRecord = Readonly<Record<string, string | number>>;

export interface SeenReply {
  readonly octets: number;
  readonly rcode: string;
  readonly aa: boolean;
  readonly ra: boolean;
  readonly tc: boolean;
  readonly answers: readonly SeenRecord[];
  readonly authority: readonly SeenRecord[];
  readonly additional: readonly SeenRecord[];
}

const patienceMs = 8000;

/** One question, as many times as `times` says, over TCP all on one connection. Rejects after eight seconds without a reply. */
export async function ask(
  server: Server,
  question: { readonly name: string; readonly type: string; readonly edns?: number },
  transport: Transport,
  times = 1,
): Promise<readonly SeenReply[]> {
  const queries = Array.from({ length: times }, () => queryOf(question));
  const replies = transport === 'udp' ? await overUdp(server, queries) : await overTcp(server, queries);
  return replies.map(seen);
}

function queryOf({
  name,
  type,
  edns,
}: {
  readonly name: string;
  readonly type: string;
  readonly edns?: number;
}): Buffer {
  const opt = { type: 'OPT', name: '.', udpPayloadSize: edns ?? 0, flags: 0, options: [] };
  return dnsPacket.encode({
    type: 'query',
    id: randomInt(0x10000),
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type: type as RecordType }],
    additionals: edns === undefined ? [] : [opt],
  } as unknown as Packet);
}

async function overUdp({ host, port }: Server, queries: readonly Buffer[]): Promise<readonly Buffer[]> {
  const replies: Buffer[] = [];
  for (const query of queries) {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    replies.push(
      await within(
        `over UDP from ${host}`,
        (resolve, reject) => {
          socket.on('error', reject);
          socket.on('message', resolve);
          socket.send(query, port, host);
        },
        () => socket.close(),
      ),
    );
  }
  return replies;
}

function overTcp({ host, port }: Server, queries: readonly Buffer[]): Promise<readonly Buffer[]> {
  const socket = connect({ host, port });
  return within<readonly Buffer[]>(
    `over TCP from ${host}`,
    (resolve, reject) => {
      const replies: Buffer[] = [];
      let held = Buffer.alloc(0);
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the connection was ended')));
      socket.on('data', (chunk: Buffer) => {
        held = Buffer.concat([held, chunk]);
        for (; held.length >= 2 && held.length >= 2 + held.readUInt16BE(0);) {
          replies.push(held.subarray(2, 2 + held.readUInt16BE(0)));
          held = held.subarray(2 + held.readUInt16BE(0));
        }
        if (replies.length === queries.length) resolve(replies);
      });
      for (const query of queries) socket.write(Buffer.concat([lengthOf(query), query]));
    },
    () => void socket.destroy(),
  );
}

function lengthOf(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return length;
}

async function within<T>(
  what: string,
  work: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
  end: () => void,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no reply ${what} within ${patienceMs} ms`)), patienceMs);
      work(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    end();
  }
}

function seen(bytes: Buffer): SeenReply {
  const packet = dnsPacket.decode(bytes) as DecodedPacket & { readonly rcode: string };
  if (packet.type !== 'response') throw new Error('QR is not set');
  return {
    octets: bytes.length,
    rcode: packet.rcode,
    aa: packet.flag_aa,
    ra: packet.flag_ra,
    tc: packet.flag_tc,
    answers: (packet.answers ?? []).map(seenRecord),
    authority: (packet.authorities ?? []).map(seenRecord),
    additional: (packet.additionals ?? []).filter(({ type }) => type !== 'OPT').map(seenRecord),
  };
}

function seenRecord(record: { readonly type: string; readonly name: string }): SeenRecord {
  const { name, type, ttl, data } = record as unknown as {
    readonly name: string;
    readonly type: string;
    readonly ttl: number;
    readonly data: string | SeenRecord;
  };
  const head = { name, type, ttl };
  if (type === 'A' || type === 'AAAA') return { ...head, address: canonicalAddress(String(data)) ?? String(data) };
  return typeof data === 'string' ? { ...head, target: data } : { ...head, ...data };
}
