// A spot: one protocol, address and port at which a VIP is served, with all that its connections or datagrams need. It stays while the VIP
// does; what the table changes is put in place.

import { sameRecord, type BackendSet } from '../../src/cluster/index.ts';
import type { Policy } from '../../src/ports/index.ts';
import type { Clock, Random } from '../../src/runtime/index.ts';
import { familyOf } from '../ip-number.ts';
import { hashesRequests } from '../policies/policies.ts';
import { hashOfText } from '../policies/mix.ts';
import { backendsOf, vipTarget, type VipRecord } from '../vip-record.ts';
import { openTcp } from './open-tcp.ts';
import { openUdp } from './open-udp.ts';
import type { ServedVip } from './served-vip.ts';
import type { VipConnections } from './vip-connections.ts';
import { createVipFlows } from './vip-flows.ts';
import { gateOf } from './vip-gate.ts';
import { createVipListener, type VipListener } from './vip-listener.ts';
import type { VipMeters } from './vip-meters.ts';
import type { VipSessions } from './vip-sessions.ts';

export interface SpotTools {
  /** Several workers open the same addresses, each for itself. */
  readonly workers: boolean;
  /** Used where a VIP's labels name none. */
  readonly policyName: string;
  readonly policyNamed: (name: string) => Policy;
  readonly drainMs: number;
  readonly connections: VipConnections;
  readonly sessions: VipSessions;
  readonly meters: VipMeters;
  readonly clock: Clock;
  readonly random: Random;
  /** Random, for policies that do not bind clients to backends. */
  readonly hashOfNobody: () => number;
}

export interface VipSpot {
  readonly ip: string;
  readonly port: number;
  readonly listener: VipListener;
  /** Whose connections these are: VIPs can clash, where a label gives an address that a name was given. */
  record: VipRecord;
  readonly served: ServedVip;
  policyName: string;
  /** Code of the failure that was reported; null: open. */
  failure: string | null;
}

/** Not open yet. `onAttempt` as of `VipListenerOptions`. */
export function createVipSpot(
  record: VipRecord,
  ip: string,
  tools: SpotTools,
  onAttempt: (spot: VipSpot, code: string | null) => void,
): VipSpot {
  const { clock, random, meters, workers: reusePort } = tools;
  const { port, protocol } = record;
  const policyName = record.options?.policy ?? tools.policyName;
  const flows = createVipFlows(clock, meters.cut);
  const served: ServedVip = {
    picker: tools.policyNamed(policyName)(setFor(record, ip), null),
    ...{ gate: null, proxyProtocol: null, flows },
    ...{ hashOf: tools.hashOfNobody, hashesClients: false },
    connections: meters.connections.cell(labelOf(record)),
  };
  const open =
    protocol === 'tcp'
      ? () => openTcp({ ip, port, reusePort, onConnection: (socket) => accept(served, socket, tools) })
      : () =>
          openUdp({
            ...{ ip, port, reusePort },
            onDatagram: (datagram, from, reply) => tools.sessions.receive(served, datagram, from, reply),
          });
  const listener = createVipListener({ open, clock, random, onAttempt: (code) => onAttempt(spot, code) });
  const spot: VipSpot = { ip, port, listener, record, served, policyName, failure: null };
  followRecord(spot, record, tools);
  return spot;
}

function accept(served: ServedVip, socket: Parameters<VipConnections['serve']>[0], { connections }: SpotTools): void {
  served.connections.value++;
  connections.serve(socket, served);
}

/** Serves `record` from now on. Connections stay with the backends that are still there. */
export function followRecord(spot: VipSpot, record: VipRecord, tools: SpotTools): void {
  const { served } = spot;
  const { options } = record;
  const policyName = options?.policy ?? tools.policyName;
  const set = setFor(record, spot.ip);
  if (policyName !== spot.policyName || !sameRecord(set, served.picker.set))
    served.picker = tools.policyNamed(policyName)(set, served.picker);
  spot.record = record;
  spot.policyName = policyName;
  served.gate = gateOf(options, served.gate, tools.clock);
  served.proxyProtocol = options?.proxyProtocol ?? null;
  served.hashesClients = hashesRequests(policyName);
  served.hashOf = served.hashesClients ? hashOfText : tools.hashOfNobody;
  served.connections = tools.meters.connections.cell(labelOf(record));
  served.flows.follow(set.backends, drainMsOf(record, tools));
  if (record.protocol === 'udp') tools.sessions.review(served);
}

/** Nothing comes any more: connections go on until their deadline, UDP clients have nobody to answer them. */
export async function closeSpot(spot: VipSpot, tools: SpotTools): Promise<void> {
  spot.served.flows.follow([], drainMsOf(spot.record, tools));
  await spot.listener.close();
  tools.sessions.forget(spot.served);
}

const drainMsOf = (record: VipRecord, { drainMs }: SpotTools): number => record.options?.drainMs ?? drainMs;

function setFor(record: VipRecord, ip: string): BackendSet {
  const backends = backendsOf(record, familyOf(ip));
  return backends.length === record.set.backends.length ? record.set : { id: record.key, backends };
}

/** In metrics. */
export const labelOf = (record: VipRecord): string => vipTarget(record.name ?? record.ips[0] ?? '', record.port);
