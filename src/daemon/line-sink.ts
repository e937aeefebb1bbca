// Where lines of an access log go: standard error, standard output, or a file that can be opened anew after it was moved away.

import { createWriteStream, type WriteStream } from 'node:fs';
import { messageOf, type Logger } from '../runtime/index.ts';

export interface LineSink {
  /** False: full; lines are better dropped until it takes again. Never blocks, never throws. */
  write(lines: string): boolean;
  /** Opens the file anew, as log rotation asks by SIGUSR1. */
  reopen(): void;
}

export function openLineSink(path: string, log: Logger): LineSink {
  if (path === 'stderr' || path === 'stdout') {
    return { write: (lines) => process[path].write(lines), reopen: () => undefined };
  }
  let stream = openFile(path, log);
  return {
    write: (lines) => !stream.destroyed && stream.write(lines),
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
