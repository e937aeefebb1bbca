// Outbox: events on their way from a source to the consumer of `watch`. What comes in one turn goes out as one batch, and a producer
// that is too far ahead is asked to wait.

import type { ClusterEvent } from '../cluster/index.ts';

/** Events that may wait for the consumer before `room` makes the producer wait. */
const mostWaiting = 4096;

export interface Outbox {
  put(events: readonly ClusterEvent[]): void;
  /** Resolves at once while the consumer keeps up, else when it has taken what waits. */
  room(): Promise<void>;
  /** No more events; `error` (a bug) is thrown at the consumer after what waits. */
  close(error?: unknown): void;
  /** The batches. May be called once. */
  batches(): AsyncIterableIterator<readonly ClusterEvent[]>;
}

/**
 * The `watch` of a source that `produce`s into an outbox: runs it until `signal` aborts or the consumer leaves, and ends only when it has
 * ended too. An exception of `produce` (a bug) is thrown at the consumer.
 */
export async function* watchBy(
  signal: AbortSignal,
  produce: (outbox: Outbox, signal: AbortSignal) => Promise<void>,
): AsyncGenerator<readonly ClusterEvent[]> {
  const outbox = createOutbox();
  const left = new AbortController();
  const stopping = AbortSignal.any([signal, left.signal]);
  stopping.addEventListener('abort', () => outbox.close(), { once: true });
  if (stopping.aborted) return;
  const producing = produce(outbox, stopping).then(
    () => outbox.close(),
    (error: unknown) => outbox.close(error),
  );
  try {
    yield* outbox.batches();
  } finally {
    left.abort();
    await producing;
  }
}

function createOutbox(): Outbox {
  let waiting: ClusterEvent[] = [];
  let closed = false;
  let failure: unknown;
  let wakeConsumer: (() => void) | null = null;
  let wakeProducers: (() => void)[] = [];

  const ready = (): boolean => waiting.length > 0 || closed;

  async function* batches(): AsyncGenerator<readonly ClusterEvent[]> {
    for (;;) {
      if (!ready()) await new Promise<void>((resolve) => (wakeConsumer = resolve));
      // One turn later whatever else this turn brings is here too.
      if (!closed) await new Promise<void>((resolve) => setImmediate(resolve));
      const batch = waiting;
      waiting = [];
      release();
      if (batch.length > 0) yield batch;
      else if (closed) break;
    }
    if (failure !== undefined) throw failure as Error;
  }

  function release(): void {
    const producers = wakeProducers;
    wakeProducers = [];
    for (const wake of producers) wake();
  }

  function wake(): void {
    wakeConsumer?.();
    wakeConsumer = null;
  }

  return {
    put(events) {
      if (closed || events.length === 0) return;
      for (const event of events) waiting.push(event);
      wake();
    },
    room: () =>
      waiting.length < mostWaiting || closed
        ? Promise.resolve()
        : new Promise<void>((resolve) => wakeProducers.push(resolve)),
    close(error) {
      if (closed) return;
      closed = true;
      failure = error;
      release();
      wake();
    },
    batches,
  };
}
