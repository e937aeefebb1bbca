// Race: asks all masters, each a little after the one before, and takes the first that answers. A dead one costs nobody more than that.

import type { Clock, Timer } from '../../runtime/index.ts';
import type { Outcome, Refusal } from './attempt.ts';

export interface RaceOptions {
  readonly clock: Clock;
  /** How long an attempt goes alone before the next one joins. */
  readonly staggerMs: number;
}

export type Attempting = (master: URL, signal: AbortSignal, claim: (target: URL) => boolean) => Promise<Outcome>;

/** The worse a refusal, the less it says of the round as a whole. */
const order: readonly Refusal[] = ['denied', 'unsupported', 'no-leader', 'garbage', 'unreachable', 'same'];

/** The first open answer; else the refusal that says most, with the reasons of all. The losers are cut off. Never rejects. */
export function race(
  masters: readonly URL[],
  attempting: Attempting,
  options: RaceOptions,
  signal: AbortSignal,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const refusals: (Outcome & { readonly kind: 'refused' })[] = [];
    const cutters = new Set<AbortController>();
    const claimed = new Set<string>();
    let next = 0;
    let running = 0;
    let won = false;
    let timer: Timer | null = null;

    const finish = (outcome: Outcome): void => {
      won = true;
      timer?.cancel();
      signal.removeEventListener('abort', cut);
      for (const cutter of cutters) cutter.abort();
      resolve(outcome);
    };
    const cut = (): void => finish({ kind: 'refused', why: 'unreachable', reason: 'stopped' });

    const startNext = (): void => {
      timer?.cancel();
      const master = masters[next++];
      if (master === undefined || won) return;
      const cutter = new AbortController();
      cutters.add(cutter);
      running++;
      timer = options.clock.after(options.staggerMs, startNext);
      void attempting(master, cutter.signal, claim).then((outcome) => settled(cutter, outcome));
    };
    const claim = (target: URL): boolean => !claimed.has(target.href) && claimed.add(target.href).size > 0;
    const settled = (cutter: AbortController, outcome: Outcome): void => {
      running--;
      if (won) return void (outcome.kind === 'open' && outcome.response.destroy());
      if (outcome.kind === 'open') {
        cutters.delete(cutter);
        return finish(outcome);
      }
      refusals.push(outcome);
      if (next < masters.length) startNext();
      else if (running === 0) finish(worst(refusals));
    };
    if (signal.aborted) return cut();
    if (masters.length === 0) return finish(worst([]));
    signal.addEventListener('abort', cut, { once: true });
    startNext();
  });
}

function worst(refusals: readonly (Outcome & { readonly kind: 'refused' })[]): Outcome {
  const told = refusals.filter((refusal) => refusal.why !== 'same');
  const why = order.find((one) => told.some((refusal) => refusal.why === one)) ?? 'unreachable';
  const reason = [...new Set(told.map((refusal) => refusal.reason))].join('; ');
  return { kind: 'refused', why, reason: reason === '' ? 'no master is known' : reason };
}
