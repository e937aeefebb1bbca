// Asks upstreams on behalf of many: equal questions are asked once, of one upstream after the other, and of a second
// one where the first takes its time; within one deadline for all of them.

import type { CellFamily, Clock, Timer } from '../../src/runtime/index.ts';
import { rcode } from '../wire/index.ts';
import { createAnswerCache, type Reply } from './answer-cache.ts';
import { checkedLayout } from './checked-layout.ts';
import { exchange, type ExchangeFailure, type ForwardQuestion } from './exchange.ts';
import { byPreference, patience, penalise, reward, type Upstream } from './upstreams.ts';

export interface ForwardFailure {
  readonly failure: 'timeout' | 'unavailable';
  /** One line for a log. */
  readonly reason: string;
}

export interface Forwarder {
  /** A checked reply of one of `upstreams`, or why none came. Settles within the total deadline; never rejects. */
  ask(question: ForwardQuestion, upstreams: readonly Upstream[]): Promise<Reply | ForwardFailure>;
  /** Ends what is under way. */
  stop(): void;
}

export interface ForwarderOptions {
  readonly clock: Clock;
  /** Of one attempt, in milliseconds. */
  readonly tryMs: number;
  /** Of a question with all its attempts. */
  readonly totalMs: number;
  readonly cacheSize: number;
  /** How long an answer past its lifetime may stand in where no upstream answers. */
  readonly staleForMs: number;
  /** Questions under way at once; beyond, they fail at once. */
  readonly mostUnderWay: number;
  /** Counters by outcome: answered, cached, joined, stale, timeout, unavailable, overloaded. */
  readonly outcomes: CellFamily;
}

export function createForwarder(options: ForwarderOptions): Forwarder {
  const cache = createAnswerCache(options.clock, options.cacheSize, options.staleForMs);
  const underWay = new Map<string, Promise<Reply | ForwardFailure>>();
  const stopped = new AbortController();
  const count = (outcome: string): void => {
    options.outcomes.cell(outcome).value++;
  };
  return {
    ask(question, upstreams) {
      const key = keyOfQuestion(question, upstreams);
      const cached = cache.get(key);
      if (cached !== null) {
        count(cached.isStale === true ? 'stale' : 'cached');
        return Promise.resolve(cached);
      }
      const stale = cache.stale(key);
      const orStale = (asked: Promise<Reply | ForwardFailure>): Promise<Reply | ForwardFailure> =>
        stale === null ? asked : inTime(asked, stale, options.clock, () => count('stale'));
      const joined = underWay.get(key);
      if (joined !== undefined) {
        count('joined');
        return orStale(joined);
      }
      if (underWay.size >= options.mostUnderWay) {
        count('overloaded');
        return Promise.resolve({ failure: 'unavailable', reason: 'too many questions are under way' });
      }
      const asked = askSeveral(question, upstreams, options, stopped.signal).then((outcome) => {
        underWay.delete(key);
        count('failure' in outcome ? outcome.failure : 'answered');
        if ('failure' in outcome) cache.holdStale(key);
        else cache.put(key, outcome.bytes, outcome.layout);
        return outcome;
      });
      underWay.set(key, asked);
      return orStale(asked);
    },
    stop: () => stopped.abort(),
  };
}

/** Questions of different upstream sets have nothing in common. */
function keyOfQuestion({ key, type, class: cls, ...bits }: ForwardQuestion, upstreams: readonly Upstream[]): string {
  const to = upstreams.map(({ ip, port }) => `${ip} ${port}`).join();
  return `${key}|${type}|${cls}|${bits.checkingDisabled ? 1 : 0}${bits.dnssecOk ? 1 : 0}|${to}`;
}

/** How long a client waits for what is fresh where something stale is there (RFC 8767 §5). */
const staleAfterMs = 1800;

/** What was asked, or `stale` where that fails or takes too long; the question itself goes on. */
function inTime(
  asked: Promise<Reply | ForwardFailure>,
  stale: Reply,
  clock: Clock,
  onStale: () => void,
): Promise<Reply | ForwardFailure> {
  return new Promise((resolve) => {
    let isLate = false;
    const give = (): void => {
      isLate = true;
      onStale();
      resolve(stale);
    };
    const timer = clock.after(staleAfterMs, give);
    void asked.then((outcome) => {
      if (isLate) return;
      timer.cancel();
      if ('failure' in outcome) give();
      else resolve(outcome);
    });
  });
}

/** One upstream after the other; the next one already when the last is slower than usual. The first good answer ends it. */
function askSeveral(
  question: ForwardQuestion,
  upstreams: readonly Upstream[],
  options: ForwarderOptions,
  stopped: AbortSignal,
): Promise<Reply | ForwardFailure> {
  const { clock } = options;
  const deadline = clock.monotonic() + options.totalMs;
  const ended = new AbortController();
  const signal = AbortSignal.any([stopped, ended.signal]);
  let waiting = byPreference(upstreams, clock.monotonic());
  let patient: Upstream[] = [];
  let running = 0;
  let hedge: Timer | undefined;
  let failure: ForwardFailure = { failure: 'unavailable', reason: 'no upstream DNS server is configured' };
  return new Promise((resolve) => {
    const end = (outcome: Reply | ForwardFailure): void => {
      hedge?.cancel();
      ended.abort();
      resolve(outcome);
    };
    const launch = (): void => {
      hedge?.cancel();
      if (waiting.length === 0 && running === 0) [waiting, patient] = [patient, []];
      const timeoutMs = Math.min(options.tryMs, deadline - clock.monotonic());
      const upstream = timeoutMs <= 0 || stopped.aborted ? undefined : waiting.shift();
      if (upstream === undefined) {
        if (running === 0) end(failure);
        return;
      }
      running++;
      const begun = clock.monotonic();
      if (waiting.length > 0) hedge = clock.after(patience(upstream), launch);
      void askOne(question, upstream, timeoutMs, options, signal).then((outcome) => {
        running--;
        if (ended.signal.aborted) return;
        const now = clock.monotonic();
        if (typeof outcome === 'object') {
          reward(upstream, now, now - begun);
          end(outcome);
          return;
        }
        penalise(upstream, now);
        const reason = `${upstream.ip}:${upstream.port}: ${outcome}`;
        failure = { failure: outcome === 'timeout' ? 'timeout' : 'unavailable', reason };
        // Who said no will say no again; who was silent may have lost a packet.
        if (outcome === 'timeout') patient.push(upstream);
        launch();
      });
    };
    launch();
  });
}

async function askOne(
  question: ForwardQuestion,
  { ip, port }: Upstream,
  timeoutMs: number,
  { clock }: ForwarderOptions,
  signal: AbortSignal,
): Promise<Reply | ExchangeFailure | string> {
  const deadline = clock.monotonic() + timeoutMs;
  const attempt = (transport: 'udp' | 'tcp', edns: boolean): Promise<Buffer | ExchangeFailure> =>
    exchange(question, {
      ip,
      port,
      transport,
      edns,
      timeoutMs: Math.max(1, deadline - clock.monotonic()),
      clock,
      signal,
    });
  let edns = true;
  let bytes = await attempt('udp', edns);
  if (typeof bytes !== 'string' && codeOfReply(bytes) === rcode.formErr) bytes = await attempt('udp', (edns = false));
  const isCut = typeof bytes !== 'string' && (bytes.readUInt16BE(2) & 0x0200) !== 0;
  if (isCut) bytes = await attempt('tcp', edns);
  if (typeof bytes === 'string') return bytes;
  const code = codeOfReply(bytes);
  if (code !== rcode.noError && code !== rcode.nxDomain) return `answered with code ${code}`;
  const layout = checkedLayout(bytes);
  return layout === null ? 'answered with a malformed message' : { bytes, layout, ageSeconds: 0 };
}

const codeOfReply = (bytes: Buffer): number => bytes.readUInt16BE(2) & 15;
