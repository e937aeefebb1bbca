// Where lines of an access log go: standard error, standard output, or a file that can be opened anew after it was moved away.

import { createWriteStream, type WriteStream } from 'node:fs';
import { messageOf, type Logger } from '../runtime/index.ts';

export interface LineSink {
  /** False: full, and these lines are lost. Never blocks, never throws. */
  write(lines: string): boolean;
  /** Opens the file anew, as log rotation asks by SIGUSR1. */
  reopen(): void;
}

/** Bytes that may wait for a slow disk. */
const mostWaiting = 4 * 1024 * 1024;

export function openLineSink(path: string, log: Logger): LineSink {
  if (path === 'stderr' || path === 'stdout') {
    const write = (lines: string): boolean => {
      const stream = process[path];
      if (stream.writableLength > mostWaiting) return false;
      stream.write(lines);
      return true;
    };
    return { write, reopen: () => undefined };
  }
  let stream = openFile(path, log);
  return {
    write(lines) {
      if (stream.destroyed || stream.writableLength > mostWaiting) return false;
      stream.write(lines);
      return true;
    },
    reopen() {
      stream.end();
      stream = openFile(path, log);
    },
  };
}

function openFile(path: string, log: Logger): WriteStream {
  const stream = createWriteStream(path, { flags: 'a', mode: 0o640 });
  stream.on('error', (error) =>
    log.error({ path, error: messageOf(error) }, 'log file cannot be written; its lines are lost'),
  );
  return stream;
}
