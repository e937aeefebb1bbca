// Hints: Marathon's events say that something may have changed, never what: their order is not kept and some get lost, so they only
// cause a reading of the whole (specs/orchestrator.md §3.4).

import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { createParser } from 'eventsource-parser';
import { IsthmusError, messageOf, type Clock } from '../../runtime/index.ts';
import { watchIdle } from '../idle.ts';

export interface Hints {
  /** Whether an event came since the last call. */
  take(): boolean;
  /** Resolves at the next event, the end of the stream, after `ms`, or when `signal` aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** Why the stream has ended; null while it goes on. */
  readonly ended: string | null;
  close(): void;
}

/** Others coming and going is no change of any app. */
const idleEvents: ReadonlySet<string> = new Set(['event_stream_attached', 'event_stream_detached']);

/** `onEvent` is told the type of each event. `null` in place of a stream gives hints that never come. */
export function readHints(
  stream: Readable | null,
  clock: Clock,
  silenceMs: number,
  onEvent: (type: string) => void,
): Hints {
  let hinted = false;
  let ended: string | null = null;
  let wake: (() => void) | null = null;
  const decoder = new StringDecoder('utf8');
  const parser = createParser({
    onEvent: (event) => {
      const type = event.event ?? '';
      onEvent(type);
      if (idleEvents.has(type)) return;
      hinted = true;
      wake?.();
    },
  });
  const idle = watchIdle(clock, stream === null ? null : silenceMs, () => {
    stream?.destroy(
      new IsthmusError('UPSTREAM_TIMEOUT', 'no heartbeat for too long', { side: 'upstream', retryable: true }),
    );
  });
  const end = (reason: string): void => {
    ended ??= reason;
    idle.stop();
    wake?.();
  };
  stream?.on('data', (chunk: Buffer) => {
    idle.touch();
    parser.feed(decoder.write(chunk));
  });
  stream?.on('end', () => end('Marathon ended the stream of events'));
  stream?.on('error', (error) => end(`the stream of events broke: ${messageOf(error)}`));
  stream?.on('close', () => end('the stream of events was closed'));
  return {
    take() {
      const was = hinted;
      hinted = false;
      return was;
    },
    wait: (ms, signal) =>
      new Promise((resolve) => {
        if (hinted || ended !== null || signal.aborted) return resolve();
        const done = (): void => {
          timer.cancel();
          signal.removeEventListener('abort', done);
          wake = null;
          resolve();
        };
        const timer = clock.after(ms, done);
        signal.addEventListener('abort', done, { once: true });
        wake = done;
      }),
    get ended() {
      return ended;
    },
    close() {
      end('closed');
      stream?.destroy();
    },
  };
}
