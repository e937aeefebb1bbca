// Tells secondaries that a zone has changed (RFC 1996), so that they need not wait for its refresh. Runs where the serials are kept.

import { randomInt } from 'node:crypto';
import { messageOf, type Clock, type Logger, type Timer } from '../../src/runtime/index.ts';
import { exchangePacket } from '../forwarding/exchange.ts';
import { parseUpstream, type Upstream } from '../forwarding/upstreams.ts';
import { encodeMessage, rrType } from '../wire/index.ts';

export interface NotifierOptions {
  /** `ip` or `ip:port`. */
  readonly secondaries: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  /** Changes within as many milliseconds are told together, when workers have them too; default 500. */
  readonly gatherMs?: number;
  /** Until a secondary is told again, the first time; default 2,000, doubled each time. */
  readonly retryMs?: number;
}

export interface Notifier {
  /** A zone (apex with its trailing dot) has a new serial. */
  changed(zone: string, serial: number): void;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const mostAttempts = 5;

export function createNotifier(options: NotifierOptions): Notifier {
  const { clock, log } = options;
  const secondaries = options.secondaries.flatMap((text) => parseUpstream(text) ?? []);
  const serials = new Map<string, number>();
  const waiting = new Map<string, Timer>();
  const stopped = new AbortController();
  const underWay = new Set<Promise<void>>();
  let isStarted = false;
  const tell = (zone: string): void => {
    waiting.delete(zone);
    for (const secondary of secondaries) {
      const told = notify(zone, secondary, serials, options, stopped.signal)
        .catch((error: unknown) => log.error({ error: messageOf(error) }, 'a NOTIFY failed for a bug of ours'))
        .finally(() => underWay.delete(told));
      underWay.add(told);
    }
  };
  const schedule = (zone: string): void => {
    if (!isStarted || waiting.has(zone) || secondaries.length === 0) return;
    waiting.set(
      zone,
      clock.after(options.gatherMs ?? 500, () => tell(zone)),
    );
  };
  return {
    changed(zone, serial) {
      serials.set(zone, serial);
      schedule(zone);
    },
    async start() {
      isStarted = true;
      for (const zone of serials.keys()) schedule(zone);
    },
    async stop() {
      isStarted = false;
      for (const timer of waiting.values()) timer.cancel();
      waiting.clear();
      stopped.abort();
      await Promise.all(underWay);
    },
  };
}

/** Until it says that it heard, or a newer serial is told, or it was told often enough. */
async function notify(
  zone: string,
  { ip, port }: Upstream,
  serials: ReadonlyMap<string, number>,
  { clock, log, retryMs = 2000 }: NotifierOptions,
  signal: AbortSignal,
): Promise<void> {
  const serial = serials.get(zone) ?? 0;
  let timeoutMs = retryMs;
  for (let attempt = 0; attempt < mostAttempts && serials.get(zone) === serial; attempt++) {
    const id = randomInt(0x10000);
    const packet = encodeNotify(zone, id);
    const isReply = (bytes: Buffer): boolean =>
      bytes.length >= 12 && bytes.readUInt16BE(0) === id && (bytes.readUInt16BE(2) & 0xf800) === 0xa000;
    const options = { ip, port, transport: 'udp', edns: false, timeoutMs, clock, signal } as const;
    const begun = clock.monotonic();
    const outcome = await exchangePacket(packet, options, isReply);
    if (Buffer.isBuffer(outcome) || outcome === 'cancelled') return;
    // Nobody listens there: that is known at once, and worth a pause all the same.
    const left = timeoutMs - (clock.monotonic() - begun);
    if (left > 0 && !(await pause(clock, left, signal))) return;
    timeoutMs *= 2;
  }
  if (serials.get(zone) === serial)
    log.warn({ secondary: `${ip}:${port}`, zone }, 'a secondary does not answer NOTIFY');
}

/** False if `signal` ended it. */
function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = (): void => {
      timer.cancel();
      resolve(false);
    };
    const timer = clock.after(ms, () => {
      signal.removeEventListener('abort', cancel);
      resolve(true);
    });
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
  });
}

function encodeNotify(zone: string, id: number): Buffer {
  const question = { name: zone, type: rrType.SOA, class: 1 };
  return encodeMessage({ id, flags: 0x2400, question, answers: [], authorities: [], additionals: [] });
}
