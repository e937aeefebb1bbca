// From a forward's targets to one connection: each target in turn, each of its addresses, then the PROXY header and TLS where asked for.

import { proxyHeader } from '../../lb/index.ts';
import type { Clock } from '../../src/runtime/index.ts';
import type { Socket } from 'node:net';
import {
  destinationText,
  parseDestination,
  type AccessCore,
  type Destination,
  type Dialed,
  type DialFailure,
  type Dialing,
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

export type Reached = Socket | { readonly failure: FailureReason };

export interface Reaching {
  /** Gives up; the outcome is `aborted`. Harmless once it has been told. */
  cancel(): void;
}

/**
 * Nothing of the client has been read yet, so each target is as good as the first. `onReached` is called once, perhaps in the call; without
 * promises, as most forwards have one address to dial.
 */
export function reachTarget(
  options: ReachOptions,
  callerOf: () => Caller,
  session: Session,
  onReached: (reached: Reached) => void,
): Reaching {
  const reach = new Reach(options, callerOf, session, onReached);
  reach.nextTarget();
  return reach;
}

interface Place {
  readonly destination: Destination;
  readonly port: number;
}

class Reach implements Reaching {
  readonly #options: ReachOptions;
  readonly #callerOf: () => Caller;
  readonly #session: Session;
  readonly #onReached: (reached: Reached) => void;
  readonly #targets: Iterator<ForwardTarget>;
  #target: ForwardTarget | null = null;
  #places: readonly Place[] = [];
  #at = 0;
  #failure: FailureReason = 'nonexistent';
  #dialing: Dialing | null = null;
  #dials = 0;

  constructor(options: ReachOptions, callerOf: () => Caller, session: Session, onReached: (reached: Reached) => void) {
    this.#options = options;
    this.#callerOf = callerOf;
    this.#session = session;
    this.#onReached = onReached;
    this.#targets = options.order.inOrder()[Symbol.iterator]();
  }

  cancel(): void {
    this.#dialing?.cancel();
  }

  nextTarget(): void {
    const next = this.#targets.next();
    if (next.done === true) {
      this.#onReached({ failure: this.#failure });
      return;
    }
    const target = next.value;
    this.#target = target;
    this.#session.note({ target: target.text });
    this.#failure = 'nonexistent';
    this.#at = 0;
    const places = target.kind === 'address' ? [target] : this.#options.placesOf(target);
    if ('rejected' in places) {
      this.#session.note({ detail: places.rejected });
      this.#places = [];
    } else this.#places = places.map(placeOf).filter((place) => place !== null);
    this.#nextPlace();
  }

  #nextPlace(): void {
    const place = this.#places[this.#at++];
    if (place === undefined) {
      if (this.#target !== null) this.#options.order.failed(this.#target);
      this.nextTarget();
      return;
    }
    const { dialer, isLoop } = this.#options.core;
    const judge = (ip: string): Verdict => verdict(!isLoop(ip, place.port));
    const dial = ++this.#dials;
    const dialing = dialer.begin({ ...place, judge }, (dialed) => this.#onDialed(place, dialed));
    // A failure in the call has begun another already.
    if (dial === this.#dials) this.#dialing = dialing;
  }

  #onDialed({ destination }: Place, dialed: Dialed | DialFailure): void {
    if ('failure' in dialed) {
      this.#missed(dialed.failure);
      return;
    }
    const { core, proxyProtocol, tls, clock } = this.#options;
    const { socket, ip } = dialed;
    this.#session.note({ ip, dnsMs: Math.round(dialed.dnsMs), connectMs: Math.round(dialed.connectMs) });
    // Before any TLS, as whoever ends that reads it first.
    if (proxyProtocol !== null) socket.write(proxyHeader(proxyProtocol, this.#callerOf()));
    if (tls === null) {
      this.#hit(socket);
      return;
    }
    const name = destination.kind === 'name' ? destinationText(destination) : null;
    void startTls(socket, tls, { name, ip }, core.timeouts.connectMs, clock).then((secure) => {
      if (!('failed' in secure)) {
        this.#hit(secure);
        return;
      }
      this.#session.note({ detail: secure.failed });
      this.#missed('bad-answer');
    });
  }

  #hit(socket: Socket): void {
    if (this.#target !== null) this.#options.order.reached(this.#target);
    this.#onReached(socket);
  }

  #missed(failure: FailureReason): void {
    this.#failure = failure;
    if (failure === 'aborted') this.#onReached({ failure });
    else this.#nextPlace();
  }
}

const placeOf = (place: Place | TargetAddress): Place | null => {
  if ('destination' in place) return place;
  const destination = parseDestination(place.ip);
  return 'rejected' in destination ? null : { destination, port: place.port };
};

/** The operator wrote the target; the only thing that a forward may not reach is this daemon. */
const verdict = (isAllowed: boolean): Verdict => ({
  verdict: isAllowed ? 'allow' : 'deny',
  rule: null,
  reason: isAllowed ? null : 'loop',
  via: null,
  logsOpen: false,
});
