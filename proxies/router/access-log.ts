// The access log: one line a request, gathered and written in batches. Values from clients are escaped, so that nobody writes our lines.

import { coalesce, type Cell, type Clock } from '../../src/runtime/index.ts';
import type { AccessEntry } from './access-entry.ts';
import { jsonLines } from './json-lines.ts';
import { combinedLine, commonLine, haproxyLine, traefikLines, type LineFormat } from './text-lines.ts';

export type AccessLogFormat = 'json' | 'common' | 'combined' | 'haproxy' | 'traefik';

export interface AccessLogOptions {
  readonly format: AccessLogFormat;
  /** Takes whole lines, in ASCII. Must not block; false: it is full, and these lines are lost. */
  write(lines: string): boolean | void;
  /** Sends on what it was given, where it gathers that. */
  flush?(): void;
}

export interface AccessLog {
  add(entry: AccessEntry): void;
  /** Writes what is gathered. */
  flush(): void;
}

const gatherMs = 100;
/** Handed on together: what has just been put together is still near the processor, and of few pieces. */
const gatherCharacters = 16 * 1024;

/** `dropped` counts lines that nobody took. */
export function createAccessLog(options: AccessLogOptions, clock: Clock, dropped: Cell): AccessLog {
  let lines = '';
  let count = 0;
  let isFlushing = false;
  const handOn = (): void => {
    const batch = lines;
    lines = '';
    if (batch !== '' && options.write(batch) === false) dropped.value += count;
    count = 0;
  };
  const flush = (): void => {
    isFlushing = false;
    handOn();
    options.flush?.();
  };
  const batch = coalesce(clock, gatherMs, flush);
  const format = lineFormats[options.format]();
  return {
    add(entry) {
      lines += format(entry, clock.now());
      count++;
      if (lines.length >= gatherCharacters) handOn();
      if (isFlushing) return;
      isFlushing = true;
      batch.request();
    },
    flush,
  };
}

const lineFormats: Readonly<Record<AccessLogFormat, () => LineFormat>> = {
  json: jsonLines,
  common: () => commonLine,
  combined: () => combinedLine,
  haproxy: () => haproxyLine,
  traefik: traefikLines,
};
