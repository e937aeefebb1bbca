// Questions and replies for the tests of DNS, put together and read by dns-packet: not by the codec under test.

import dnsPacket, { type DecodedPacket, type RecordType } from 'dns-packet';
import { emptyZones } from '../../dns/answerers/empty-zones.ts';
import { createOwnZone } from '../../dns/answerers/own-zone.ts';
import { createPrivateNames } from '../../dns/answerers/private-names.ts';
import { createRenamedZones } from '../../dns/answerers/renamed-zones.ts';
import { createRenamings } from '../../dns/renaming.ts';
import { createResponder, type Responder } from '../../dns/responder.ts';
import { createMetrics, silentLogger, type Metrics } from '../../src/runtime/index.ts';
import type { ZoneIndex } from '../../dns/zone-plane.ts';

export interface AskOptions {
  readonly id?: number;
  readonly edns?: number;
  readonly ednsVersion?: number;
  readonly dnssecOk?: boolean;
  readonly transport?: 'udp' | 'tcp';
}

export type AskedType = RecordType | 'ANY';

export function queryOf(name: string, type: AskedType, options: AskOptions = {}): Buffer {
  const opt = {
    type: 'OPT' as const,
    name: '.',
    udpPayloadSize: options.edns ?? 0,
    extendedRcode: 0,
    ednsVersion: options.ednsVersion ?? 0,
    flags: options.dnssecOk === true ? 0x8000 : 0,
    flag_do: options.dnssecOk === true,
    options: [],
  };
  return dnsPacket.encode({
    type: 'query',
    id: options.id ?? 4711,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type: type as RecordType, name }],
    additionals: options.edns === undefined ? [] : [opt],
  });
}

/** What the tests look at; dns-packet's own types leave half of it out. */
export interface SeenReply {
  readonly bytes: Buffer;
  readonly id: number;
  readonly rcode: string;
  readonly aa: boolean;
  readonly ra: boolean;
  readonly tc: boolean;
  readonly question: string | undefined;
  /** `NAME TYPE DATA`, in the order of the wire. */
  readonly answers: readonly string[];
  readonly authorities: readonly string[];
  readonly additionals: readonly string[];
  readonly opt: { readonly udpPayloadSize: number; readonly extendedRcode: number; readonly flags: number } | undefined;
}

export function readReply(bytes: Buffer): SeenReply {
  const packet = dnsPacket.decode(bytes) as DecodedPacket & { readonly rcode: string };
  const additionals = packet.additionals ?? [];
  const opt = additionals.find((record) => record.type === 'OPT');
  return {
    bytes,
    id: packet.id ?? -1,
    rcode: packet.rcode,
    aa: packet.flag_aa,
    ra: packet.flag_ra,
    tc: packet.flag_tc,
    question: packet.questions?.[0]?.name,
    answers: (packet.answers ?? []).map(text),
    authorities: (packet.authorities ?? []).map(text),
    additionals: additionals.filter((record) => record.type !== 'OPT').map(text),
    opt: opt?.type === 'OPT' ? opt : undefined,
  };
}

function text(record: { readonly type: string; readonly name: string; readonly data?: unknown }): string {
  const { data } = record as { readonly data: Record<string, unknown> | string };
  if (typeof data === 'string') return `${record.name} ${record.type} ${data}`;
  const fields = record.type === 'SRV' ? ['port', 'target'] : ['mname', 'rname', 'minimum'];
  return `${record.name} ${record.type} ${fields.map((field) => String(data[field])).join(' ')}`;
}

export interface AskedResponder {
  readonly responder: Responder;
  readonly metrics: Metrics;
  ask(name: string, type: AskedType, options?: AskOptions): SeenReply;
}

/** A responder over the zone alone, whose replies begin with the answer that `turn` says. */
export function askZone(index: ZoneIndex, turn: (answers: number) => number = () => 0, strict = true): AskedResponder {
  const renamings = createRenamings('mesos', 'c3zs6aubqe');
  const metrics = createMetrics();
  const responder = createResponder({
    chain: [
      createOwnZone({ index, strict, recursionAvailable: true, turn, renamings }),
      createRenamedZones({ index, renamings, turn }),
      createPrivateNames(),
      emptyZones,
    ],
    strict,
    setTruncateBit: true,
    queries: metrics.counter('dns_queries_total', 'test', ['type', 'rcode']),
    log: silentLogger,
  });
  return {
    responder,
    metrics,
    ask(name, type, options = {}) {
      const reply = responder.reply(queryOf(name, type, options), options.transport ?? 'udp', '127.0.0.1');
      if (!Buffer.isBuffer(reply)) throw new Error('no reply at once');
      return readReply(reply);
    },
  };
}
