// From a forward's targets to one connection: each target in turn, each of its addresses, then the PROXY header and TLS where asked for.

import { proxyHeader } from '../../lb/index.ts';
import type { Clock } from '../../src/runtime/index.ts';
import type { Socket } from 'node:net';
import {
  destinationText,
  parseDestination,
  type AccessCore,
  type Destination,
  type FailureReason,
  type Session,
  type Verdict,
} from '../access/index.ts';
import type { Places, TargetAddress } from './target-plane.ts';
import type { TargetOrder } from './target-order.ts';
import type { ForwardTarget } from './target.ts';
import { startTls, type UpstreamTls } from './upstream-tls.ts';

export interface ReachOptions {
  readonly core: AccessCore;
  readonly order: TargetOrder<ForwardTarget>;
  /** How targets want to hear of the client. */
  readonly proxyProtocol: 'v1' | 'v2' | null;
  readonly tls: UpstreamTls | null;
  readonly clock: Clock;
  placesOf(target: ForwardTarget): Places;
}

/** Who called, and which address of ours. */
export interface Caller {
  readonly clientIp: string;
  readonly clientPort: number;
  readonly ownIp: string;
  readonly ownPort: number;
}

type Reached = Socket | { readonly failure: FailureReason };

/** Nothing of the client has been read yet, so each target is as good as the first. Never rejects. */
export async function reachTarget(
  options: ReachOptions,
  caller: Caller,
  session: Session,
  signal: AbortSignal,
): Promise<Reached> {
  let failure: FailureReason = 'nonexistent';
  for (const target of options.order.inOrder()) {
    session.note({ target: target.text });
    const reached = await reachOne(options, target, caller, session, signal);
    if (!('failure' in reached)) {
      options.order.reached(target);
      return reached;
    }
    failure = reached.failure;
    if (failure === 'aborted') break;
    options.order.failed(target);
  }
  return { failure };
}

async function reachOne(
  options: ReachOptions,
  target: ForwardTarget,
  caller: Caller,
  session: Session,
  signal: AbortSignal,
): Promise<Reached> {
  const places = target.kind === 'address' ? [target] : options.placesOf(target);
  if ('rejected' in places) {
    session.note({ detail: places.rejected });
    return { failure: 'nonexistent' };
  }
  let reached: Reached = { failure: 'nonexistent' };
  for (const place of places) {
    const destination = 'destination' in place ? place.destination : addressOf(place);
    if (destination === null) continue;
    reached = await connectTo(options, destination, place.port, caller, session, signal);
    if (!('failure' in reached) || reached.failure === 'aborted') return reached;
  }
  return reached;
}

function addressOf({ ip }: TargetAddress): Destination | null {
  const destination = parseDestination(ip);
  return 'rejected' in destination ? null : destination;
}

async function connectTo(
  { core, proxyProtocol, tls, clock }: ReachOptions,
  destination: Destination,
  port: number,
  caller: Caller,
  session: Session,
  signal: AbortSignal,
): Promise<Reached> {
  const judge = (ip: string): Verdict => verdict(!core.isLoop(ip, port));
  const dialed = await core.dialer.dial({ destination, port, judge, signal });
  if ('failure' in dialed) return dialed;
  const { socket, ip } = dialed;
  session.note({ ip, dnsMs: Math.round(dialed.dnsMs), connectMs: Math.round(dialed.connectMs) });
  // Before any TLS, as whoever ends that reads it first.
  if (proxyProtocol !== null) socket.write(proxyHeader(proxyProtocol, caller));
  if (tls === null) return socket;
  const name = destination.kind === 'name' ? destinationText(destination) : null;
  const secure = await startTls(socket, tls, { name, ip }, core.timeouts.connectMs, clock);
  if (!('failed' in secure)) return secure;
  session.note({ detail: secure.failed });
  return { failure: 'bad-answer' };
}

/** The operator wrote the target; the only thing that a forward may not reach is this daemon. */
const verdict = (isAllowed: boolean): Verdict => ({
  verdict: isAllowed ? 'allow' : 'deny',
  rule: null,
  reason: isAllowed ? null : 'loop',
  via: null,
  logsOpen: false,
});
