// Dials a destination: resolve, judge every address, connect to exactly those that are allowed. The name never reaches the connect, so what
// was judged is what is connected to.

import type { Socket } from 'node:net';
import type { Resolution, ResolutionFailure, Resolver } from '../../src/ports/index.ts';
import type { Clock } from '../../src/runtime/index.ts';
import { canonicalIp } from './address.ts';
import { destinationText, type Destination } from './destination.ts';
import type { FailureReason } from './failure.ts';
import type { Parents } from './parents.ts';
import { openAttempt, race, type Connect, type RaceLost, type RaceWon } from './race.ts';
import type { DenialReason, Verdict } from './rules.ts';
import { createShares } from './shares.ts';

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
  readonly judge: (ip: string, own: boolean, aliases?: readonly string[]) => Verdict;
  /** Who asks, where that counts: nobody may take all the look-ups that can be under way. */
  readonly client?: string;
  /** Asked once, where a rule has allowed the way and before anything is connected: null, or why that rule keeps it out. */
  readonly admit?: ((rule: number | null) => 'limit' | 'rate' | null) | null;
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
  /** The same for those who wait without a promise: `onOutcome` is called once, perhaps in the call. */
  begin(request: Omit<DialRequest, 'signal'>, onOutcome: (outcome: Dialed | DialFailure) => void): Dialing;
}

export interface Dialing {
  /** Gives up; the outcome is `aborted`. Harmless once it has been told. */
  cancel(): void;
}

export function createDialer(options: DialerOptions): Dialer {
  const { clock, parents = null, mostDials = Infinity, mostLookups = Infinity, onHit } = options;
  let dials = 0;
  const lookups = createShares(mostLookups);

  /** Undefined: somebody has to be asked. */
  function locateNow(request: Omit<DialRequest, 'signal'>): Located | DialFailure | undefined {
    const { destination, throughParent = null } = request;
    if (throughParent !== null) {
      const allowed = [`${throughParent}!${destinationText(destination)}`];
      return admitted({ allowed, via: throughParent, rule: null, dnsMs: 0 }, request);
    }
    const known = knownAddresses(destination, options.resolver);
    return known === undefined ? undefined : judged(known, 0, request);
  }

  async function locate(request: DialRequest): Promise<Located | DialFailure> {
    const located = locateNow(request);
    if (located !== undefined) return located;
    const { client = null } = request;
    if (!lookups.take(client)) {
      onHit?.('lookups');
      return { failure: 'limit', rule: null, dnsMs: 0, connectMs: 0 };
    }
    const started = clock.monotonic();
    const answer = await resolveInTime(destinationText(request.destination), options, request.signal);
    lookups.give(client);
    return judged(answer, clock.monotonic() - started, request);
  }

  function isFull(): boolean {
    if (dials < mostDials) return false;
    onHit?.('dials');
    return true;
  }

  /** Most dials: one attempt, whose own deadline is the whole's. */
  function connectOne(port: number, located: Located, onOutcome: (outcome: Dialed | DialFailure) => void): Dialing {
    const { allowed, rule, dnsMs } = located;
    if (isFull()) {
      onOutcome({ failure: 'limit', rule, dnsMs, connectMs: 0 });
      return over;
    }
    const started = clock.monotonic();
    const connectMs = Math.min(options.connectMs, Math.max(0, options.dialMs - dnsMs));
    let isOver = false;
    const settle = (result: RaceWon | RaceLost): void => {
      isOver = true;
      dials--;
      const tookMs = clock.monotonic() - started;
      if ('failure' in result) onOutcome({ failure: result.failure, rule, dnsMs, connectMs: tookMs });
      else onOutcome({ socket: result.socket, ip: result.ip, parent: null, rule, dnsMs, connectMs: tookMs });
    };
    dials++;
    const attempt = openAttempt(allowed[0] ?? '', port, { connect: options.connect, clock, connectMs }, settle);
    return {
      cancel() {
        if (isOver) return;
        attempt.end();
        settle({ failure: 'aborted' });
      },
    };
  }

  async function connect(request: DialRequest, located: Located): Promise<Dialed | DialFailure> {
    const { allowed, via, rule, dnsMs } = located;
    if (via === null && allowed.length === 1) return connectOnly(request, located);
    if (isFull()) return { failure: 'limit', rule, dnsMs, connectMs: 0 };
    const started = clock.monotonic();
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

  function connectOnly({ port, signal }: DialRequest, located: Located): Promise<Dialed | DialFailure> {
    if (signal.aborted)
      return Promise.resolve({ failure: 'aborted', rule: located.rule, dnsMs: located.dnsMs, connectMs: 0 });
    return new Promise((resolve) => {
      const onAbort = (): void => dialing.cancel();
      const dialing = connectOne(port, located, (outcome) => {
        signal.removeEventListener('abort', onAbort);
        resolve(outcome);
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  async function dial(request: DialRequest): Promise<Dialed | DialFailure> {
    const located = await locate(request);
    return 'failure' in located ? located : connect(request, located);
  }

  return {
    locate,
    connect,
    dial,
    begin(request, onOutcome) {
      const located = locateNow(request);
      if (located !== undefined && 'failure' in located) {
        onOutcome(located);
        return over;
      }
      if (located?.via === null && located.allowed.length === 1) return connectOne(request.port, located, onOutcome);
      const gone = new AbortController();
      const whole = { ...request, signal: gone.signal };
      void (located === undefined ? dial(whole) : connect(whole, located)).then(onOutcome);
      return { cancel: () => gone.abort() };
    },
  };
}

/** Nothing is left to give up. */
const over: Dialing = { cancel: () => undefined };

function judged(
  answer: Resolution | ResolutionFailure,
  dnsMs: number,
  request: Omit<DialRequest, 'signal'>,
): Located | DialFailure {
  const found = foundIn(answer);
  if ('failure' in found) return { failure: found.failure, rule: null, dnsMs, connectMs: 0 };
  const { allowed, via, reason, rule } = judgeAll(found, request.judge);
  if (allowed.length === 0) return { failure: reason, rule, dnsMs, connectMs: 0 };
  return admitted({ allowed, via, rule, dnsMs }, request);
}

function admitted(located: Located, { admit = null }: Omit<DialRequest, 'signal'>): Located | DialFailure {
  const refusal = admit === null ? null : admit(located.rule);
  return refusal === null ? located : { failure: refusal, rule: located.rule, dnsMs: located.dnsMs, connectMs: 0 };
}

/** A race that was called off knows no reason of its own. */
const reasonOf = (failure: FailureReason, signal: AbortSignal): FailureReason =>
  failure === 'aborted' && signal.reason === 'connect-timeout' ? 'connect-timeout' : failure;

/** Undefined: somebody has to be asked. */
function knownAddresses(destination: Destination, resolver: Resolver): Resolution | ResolutionFailure | undefined {
  return destination.kind === 'ip' ? { addresses: [destination.ip], own: false } : resolver.lookup(destination.name);
}

function foundIn(answer: Resolution | ResolutionFailure): Resolution | { readonly failure: FailureReason } {
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
function judgeAll(found: Resolution, judge: DialRequest['judge']): Judged {
  const judged = found.addresses.flatMap((address) => {
    const ip = canonicalIp(address);
    return ip === null ? [] : [{ ip, verdict: judge(ip, found.own, found.aliases) }];
  });
  const allowed = judged.filter(({ verdict }) => verdict.verdict === 'allow');
  const telling = (allowed[0] ?? judged[0])?.verdict;
  const via = telling?.via ?? null;
  const same = allowed.filter(({ verdict }) => verdict.via === via);
  const places = same.map(({ ip }) => (via === null ? ip : `${via}!${ip}`));
  return { allowed: places, via, rule: telling?.rule ?? null, reason: telling?.reason ?? 'denied' };
}
