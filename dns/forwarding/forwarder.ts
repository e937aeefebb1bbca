// Asks upstreams on behalf of many: equal questions are asked once, one upstream after the other, within one deadline for all of them.

import type { CellFamily, Clock } from '../../src/runtime/index.ts';
import { layoutOf, rcode } from '../wire/index.ts';
import { createAnswerCache, type Reply } from './answer-cache.ts';
import { exchange, type ExchangeFailure, type ForwardQuestion } from './exchange.ts';
import { byPreference, penalise, type Upstream } from './upstreams.ts';

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
  /** Questions under way at once; beyond, they fail at once. */
  readonly mostUnderWay: number;
  /** Counters by outcome: answered, cached, joined, timeout, unavailable, overloaded. */
  readonly outcomes: CellFamily;
}

export function createForwarder(options: ForwarderOptions): Forwarder {
  const cache = createAnswerCache(options.clock, options.cacheSize);
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
        count('cached');
        return Promise.resolve(cached);
      }
      const joined = underWay.get(key);
      if (joined !== undefined) {
        count('joined');
        return joined;
      }
      if (underWay.size >= options.mostUnderWay) {
        count('overloaded');
        return Promise.resolve({ failure: 'unavailable', reason: 'too many questions are under way' });
      }
      const asked = askInTurn(question, upstreams, options, stopped.signal).then((outcome) => {
        underWay.delete(key);
        count('failure' in outcome ? outcome.failure : 'answered');
        if (!('failure' in outcome)) cache.put(key, outcome.bytes, outcome.layout);
        return outcome;
      });
      underWay.set(key, asked);
      return asked;
    },
    stop: () => stopped.abort(),
  };
}

/** Questions of different upstream sets have nothing in common. */
function keyOfQuestion({ key, type, class: cls, ...bits }: ForwardQuestion, upstreams: readonly Upstream[]): string {
  const to = upstreams.map(({ ip, port }) => `${ip} ${port}`).join();
  return `${key}|${type}|${cls}|${bits.checkingDisabled ? 1 : 0}${bits.dnssecOk ? 1 : 0}|${to}`;
}

async function askInTurn(
  question: ForwardQuestion,
  upstreams: readonly Upstream[],
  options: ForwarderOptions,
  signal: AbortSignal,
): Promise<Reply | ForwardFailure> {
  const { clock } = options;
  const deadline = clock.monotonic() + options.totalMs;
  let candidates = byPreference(upstreams, clock.monotonic());
  let failure: ForwardFailure = { failure: 'unavailable', reason: 'no upstream DNS server is configured' };
  while (candidates.length > 0) {
    const patient: Upstream[] = [];
    for (const upstream of candidates) {
      const timeoutMs = Math.min(options.tryMs, deadline - clock.monotonic());
      if (timeoutMs <= 0 || signal.aborted) return failure;
      const outcome = await askOne(question, upstream, timeoutMs, options, signal);
      if (typeof outcome === 'object') return outcome;
      penalise(upstream, clock.monotonic());
      failure = {
        failure: outcome === 'timeout' ? 'timeout' : 'unavailable',
        reason: `${upstream.ip}:${upstream.port}: ${outcome}`,
      };
      // Who said no will say no again; who was silent may have lost a packet.
      if (outcome === 'timeout') patient.push(upstream);
    }
    candidates = patient;
  }
  return failure;
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
  const layout = layoutOf(bytes);
  return layout === null ? 'answered with a malformed message' : { bytes, layout, ageSeconds: 0 };
}

const codeOfReply = (bytes: Buffer): number => bytes.readUInt16BE(2) & 15;
