// Dials a destination: resolve, judge every address, connect to exactly those that are allowed. The name never reaches the connect, so what
// was judged is what is connected to.

import type { Socket } from 'node:net';
import type { Resolution, ResolutionFailure, Resolver } from '../../src/ports/index.ts';
import type { Clock } from '../../src/runtime/index.ts';
import { canonicalIp } from './address.ts';
import type { Destination } from './destination.ts';
import type { FailureReason } from './failure.ts';
import { race, type Connect } from './race.ts';
import type { DenialReason, Verdict } from './rules.ts';

export interface Dialed {
  /** Connected; the caller's from now on. */
  readonly socket: Socket;
  readonly ip: string;
  readonly rule: number | null;
  readonly dnsMs: number;
  readonly connectMs: number;
}

export interface DialFailure {
  readonly failure: FailureReason;
  /** The rule that denied; null where none did. */
  readonly rule: number | null;
  readonly dnsMs: number;
  readonly connectMs: number;
}

export interface DialRequest {
  readonly destination: Destination;
  readonly port: number;
  /** Judges one address; `own`: it came from an own zone. Addresses that it denies are not tried. */
  readonly judge: (ip: string, own: boolean) => Verdict;
  /** Ends the attempt: the client went away, or the function stops. */
  readonly signal: AbortSignal;
}

export interface DialerOptions {
  readonly resolver: Resolver;
  readonly connect: Connect;
  readonly clock: Clock;
  readonly dnsMs: number;
  readonly connectMs: number;
  /** From the call to the connection, all included. */
  readonly dialMs: number;
}

/** Where a destination leads, and which of its addresses may be connected to: at least one. */
export interface Located {
  readonly allowed: readonly string[];
  readonly rule: number | null;
  readonly dnsMs: number;
}

/** Neither rejects. Both together keep within `dialMs`. */
export interface Dialer {
  locate(request: DialRequest): Promise<Located | DialFailure>;
  /** Connects to one of the addresses that `locate` found. */
  connect(request: DialRequest, located: Located): Promise<Dialed | DialFailure>;
  /** Both in a row. */
  dial(request: DialRequest): Promise<Dialed | DialFailure>;
}

export function createDialer(options: DialerOptions): Dialer {
  const { clock } = options;

  async function locate(request: DialRequest): Promise<Located | DialFailure> {
    const started = clock.monotonic();
    const found = await addressesOf(request.destination, options, request.signal);
    const dnsMs = clock.monotonic() - started;
    if ('failure' in found) return { failure: found.failure, rule: null, dnsMs, connectMs: 0 };
    const { allowed, reason, rule } = judgeAll(found, request.judge);
    return allowed.length === 0 ? { failure: reason, rule, dnsMs, connectMs: 0 } : { allowed, rule, dnsMs };
  }

  async function connect(request: DialRequest, { allowed, rule, dnsMs }: Located): Promise<Dialed | DialFailure> {
    const started = clock.monotonic();
    const limit = new AbortController();
    const onAbort = (): void => limit.abort('aborted');
    if (request.signal.aborted) onAbort();
    request.signal.addEventListener('abort', onAbort, { once: true });
    const deadline = clock.after(Math.max(0, options.dialMs - dnsMs), () => limit.abort('connect-timeout'));
    const raced = await race(allowed, request.port, { ...options, signal: limit.signal });
    deadline.cancel();
    request.signal.removeEventListener('abort', onAbort);
    const connectMs = clock.monotonic() - started;
    if ('failure' in raced) return { failure: reasonOf(raced.failure, limit.signal), rule, dnsMs, connectMs };
    return { ...raced, rule, dnsMs, connectMs };
  }

  return {
    locate,
    connect,
    async dial(request) {
      const located = await locate(request);
      return 'failure' in located ? located : connect(request, located);
    },
  };
}

/** A race that was called off knows no reason of its own. */
const reasonOf = (failure: FailureReason, signal: AbortSignal): FailureReason =>
  failure === 'aborted' && signal.reason === 'connect-timeout' ? 'connect-timeout' : failure;

interface Found {
  readonly addresses: readonly string[];
  readonly own: boolean;
}

async function addressesOf(
  destination: Destination,
  options: DialerOptions,
  signal: AbortSignal,
): Promise<Found | { readonly failure: FailureReason }> {
  if (destination.kind === 'ip') return { addresses: [destination.ip], own: false };
  const answer = options.resolver.lookup(destination.name) ?? (await resolveInTime(destination.name, options, signal));
  if ('failure' in answer) return { failure: dnsReasons[answer.failure] };
  if (answer.addresses.length === 0) return { failure: 'nonexistent' };
  return answer;
}

const dnsReasons: Readonly<Record<ResolutionFailure['failure'], FailureReason>> = {
  nonexistent: 'nonexistent',
  timeout: 'dns-timeout',
  unavailable: 'dns-failure',
  invalid: 'dns-failure',
};

/** The resolver keeps its own deadline; this one is ours, in case it does not. */
function resolveInTime(
  name: string,
  { resolver, clock, dnsMs }: DialerOptions,
  signal: AbortSignal,
): Promise<Resolution | ResolutionFailure> {
  return new Promise((resolve) => {
    const late = (): void => resolve({ failure: 'timeout', reason: 'no answer in time' });
    const deadline = clock.after(dnsMs, late);
    signal.addEventListener('abort', late, { once: true });
    void resolver
      .resolve(name, signal)
      .then(resolve, () => resolve({ failure: 'unavailable', reason: 'the resolver failed' }))
      .finally(() => {
        deadline.cancel();
        signal.removeEventListener('abort', late);
      });
  });
}

interface Judged {
  readonly allowed: readonly string[];
  /** Of the first address that is allowed, else of the first that is not. */
  readonly rule: number | null;
  readonly reason: DenialReason;
}

/** `via` is not looked at here: a caller that has parents asks for the verdict on the name first. */
function judgeAll(found: Found, judge: DialRequest['judge']): Judged {
  const judged = found.addresses.flatMap((address) => {
    const ip = canonicalIp(address);
    return ip === null ? [] : [{ ip, verdict: judge(ip, found.own) }];
  });
  const allowed = judged.filter(({ verdict }) => verdict.verdict === 'allow');
  const telling = (allowed[0] ?? judged[0])?.verdict;
  return { allowed: allowed.map(({ ip }) => ip), rule: telling?.rule ?? null, reason: telling?.reason ?? 'denied' };
}
