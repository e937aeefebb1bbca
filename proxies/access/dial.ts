// Dials a destination: resolve, judge every address, connect to exactly those that are allowed. The name never reaches the connect, so what
// was judged is what is connected to.

import type { Socket } from 'node:net';
import type { Resolution, ResolutionFailure, Resolver } from '../../src/ports/index.ts';
import type { Clock } from '../../src/runtime/index.ts';
import { canonicalIp } from './address.ts';
import { destinationText, type Destination } from './destination.ts';
import type { FailureReason } from './failure.ts';
import type { Parents } from './parents.ts';
import { attempt, race, type Connect } from './race.ts';
import type { DenialReason, Verdict } from './rules.ts';

export interface Dialed {
  /** Connected; the caller's from now on. */
  readonly socket: Socket;
  /** What it leads to, for logs and to tell connections apart: the address, or `LIST!HOST` where a parent connects. */
  readonly ip: string;
  /** The parent that it goes through; null: direct. */
  readonly parent: string | null;
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
  /** List of parents that resolves the name itself (`Verdict.byName`); then nobody is asked for its addresses. */
  readonly throughParent?: string | null;
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
  /** What rules may name in `via`; null or absent: nothing. */
  readonly parents?: Parents | null;
  /** Attempts under way at a time, and look-ups among them; absent: any number. */
  readonly mostDials?: number;
  readonly mostLookups?: number;
  readonly onHit?: (limit: 'dials' | 'lookups') => void;
}

/** Where a destination leads, and which of its addresses may be connected to: at least one. */
export interface Located {
  /** As `Dialed.ip`. */
  readonly allowed: readonly string[];
  /** List of parents to go through; null: direct. */
  readonly via: string | null;
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
  const { clock, parents = null, mostDials = Infinity, mostLookups = Infinity, onHit } = options;
  const around = { connect: options.connect, clock };
  let dials = 0;
  let lookups = 0;

  async function locate(request: DialRequest): Promise<Located | DialFailure> {
    const { destination, throughParent = null } = request;
    if (throughParent !== null) {
      const allowed = [`${throughParent}!${destinationText(destination)}`];
      return { allowed, via: throughParent, rule: null, dnsMs: 0 };
    }
    const started = clock.monotonic();
    const known = knownAddresses(destination, options.resolver);
    if (known === undefined && lookups >= mostLookups) {
      onHit?.('lookups');
      return { failure: 'limit', rule: null, dnsMs: 0, connectMs: 0 };
    }
    lookups++;
    const found = foundIn(known ?? (await resolveInTime(destinationText(destination), options, request.signal)));
    lookups--;
    const dnsMs = clock.monotonic() - started;
    if ('failure' in found) return { failure: found.failure, rule: null, dnsMs, connectMs: 0 };
    const { allowed, via, reason, rule } = judgeAll(found, request.judge);
    return allowed.length === 0 ? { failure: reason, rule, dnsMs, connectMs: 0 } : { allowed, via, rule, dnsMs };
  }

  async function connect(request: DialRequest, located: Located): Promise<Dialed | DialFailure> {
    const { allowed, via, rule, dnsMs } = located;
    if (dials >= mostDials) {
      onHit?.('dials');
      return { failure: 'limit', rule, dnsMs, connectMs: 0 };
    }
    const started = clock.monotonic();
    if (via === null && allowed.length === 1) {
      // Most dials: one attempt, whose own deadline is the whole's.
      dials++;
      const connectMs = Math.min(options.connectMs, Math.max(0, options.dialMs - dnsMs));
      const only = await attempt(allowed[0] ?? '', request.port, { ...around, connectMs, signal: request.signal });
      dials--;
      const tookMs = clock.monotonic() - started;
      if ('failure' in only) return { failure: only.failure, rule, dnsMs, connectMs: tookMs };
      return { socket: only.socket, ip: only.ip, parent: null, rule, dnsMs, connectMs: tookMs };
    }
    const limit = new AbortController();
    const onAbort = (): void => limit.abort('aborted');
    if (request.signal.aborted) onAbort();
    request.signal.addEventListener('abort', onAbort, { once: true });
    const deadline = clock.after(Math.max(0, options.dialMs - dnsMs), () => limit.abort('connect-timeout'));
    dials++;
    const raced =
      via === null
        ? await race(allowed, request.port, { ...options, signal: limit.signal })
        : await throughParents(parents, via, allowed[0] ?? '', request.port, limit.signal);
    dials--;
    deadline.cancel();
    request.signal.removeEventListener('abort', onAbort);
    const connectMs = clock.monotonic() - started;
    if ('failure' in raced) return { failure: reasonOf(raced.failure, limit.signal), rule, dnsMs, connectMs };
    return { parent: null, ...raced, rule, dnsMs, connectMs };
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

/** Undefined: somebody has to be asked. */
function knownAddresses(destination: Destination, resolver: Resolver): Resolution | ResolutionFailure | undefined {
  return destination.kind === 'ip' ? { addresses: [destination.ip], own: false } : resolver.lookup(destination.name);
}

function foundIn(answer: Resolution | ResolutionFailure): Found | { readonly failure: FailureReason } {
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

/** `place` as in `Located.allowed`: `LIST!HOST`, or an address that a rule with `via` allowed. */
async function throughParents(
  parents: Parents | null,
  list: string,
  place: string,
  port: number,
  signal: AbortSignal,
): Promise<Pick<Dialed, 'socket' | 'ip' | 'parent'> | { readonly failure: FailureReason }> {
  if (parents === null) return { failure: 'connect-failure' };
  const joined = await parents.connect({ list, host: place.slice(list.length + 1), port, signal });
  return 'failure' in joined ? joined : { socket: joined.socket, ip: place, parent: joined.parent };
}

interface Judged {
  readonly via: string | null;
  readonly allowed: readonly string[];
  /** Of the first address that is allowed, else of the first that is not. */
  readonly rule: number | null;
  readonly reason: DenialReason;
}

/** All go the way of the first that is allowed: an address that another rule sends elsewhere is left out. */
function judgeAll(found: Found, judge: DialRequest['judge']): Judged {
  const judged = found.addresses.flatMap((address) => {
    const ip = canonicalIp(address);
    return ip === null ? [] : [{ ip, verdict: judge(ip, found.own) }];
  });
  const allowed = judged.filter(({ verdict }) => verdict.verdict === 'allow');
  const telling = (allowed[0] ?? judged[0])?.verdict;
  const via = telling?.via ?? null;
  const same = allowed.filter(({ verdict }) => verdict.via === via);
  const places = same.map(({ ip }) => (via === null ? ip : `${via}!${ip}`));
  return { allowed: places, via, rule: telling?.rule ?? null, reason: telling?.reason ?? 'denied' };
}
