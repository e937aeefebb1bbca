// Where lines of an access log go: standard error, standard output, or a file that can be opened anew after it was moved away.

import { createWriteStream, type WriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { messageOf, type Logger } from '../runtime/index.ts';

export interface LineSink {
  /** False: full, and these lines are lost. Never blocks, never throws. */
  write(lines: string): boolean;
  /** The same for lines in ASCII alone, cheaper; they may wait for others until `flush`. */
  gather(lines: string): boolean;
  /** Sends what was gathered on its way. */
  flush(): void;
  /** Opens the file anew, as log rotation asks by SIGUSR1. */
  reopen(): void;
}

/** Bytes that may wait for a slow disk. */
const mostWaiting = 4 * 1024 * 1024;

export function openLineSink(path: string, log: Logger): LineSink {
  if (path === 'stderr' || path === 'stdout') {
    const gathering = new Gathering(process[path]);
    return { ...methodsOf(() => gathering), reopen: () => undefined };
  }
  let file = openFile(path, log);
  let gathering = new Gathering(file);
  return {
    ...methodsOf(() => gathering),
    reopen() {
      gathering.flush();
      file.end();
      file = openFile(path, log);
      gathering = new Gathering(file);
    },
  };
}

const methodsOf = (present: () => Gathering): Omit<LineSink, 'reopen'> => ({
  write(lines) {
    const { stream, isFull } = present();
    if (isFull) return false;
    present().flush();
    stream.write(lines);
    return true;
  },
  gather: (lines) => present().add(lines),
  flush: () => present().flush(),
});

/** Each write to a file is a trip to a thread and back. */
const gatherBytes = 256 * 1024;
const mostSpare = 4;

/** Lines copied into buffers that are used again: new ones for each write were half of what a line cost. */
class Gathering {
  readonly stream: Writable;
  readonly #spare: Buffer[] = [];
  #buffer: Buffer | null = null;
  #used = 0;

  constructor(stream: Writable) {
    this.stream = stream;
  }

  get isFull(): boolean {
    return this.stream.destroyed || this.stream.writableLength > mostWaiting;
  }

  add(lines: string): boolean {
    if (this.isFull) return false;
    if (this.#used + lines.length > gatherBytes) this.flush();
    if (lines.length > gatherBytes) this.stream.write(lines, 'latin1');
    else {
      this.#buffer ??= this.#spare.pop() ?? Buffer.allocUnsafeSlow(gatherBytes);
      this.#used += this.#buffer.write(lines, this.#used, 'latin1');
    }
    return true;
  }

  flush(): void {
    const buffer = this.#buffer;
    if (buffer === null) return;
    this.stream.write(buffer.subarray(0, this.#used), () => {
      if (this.#spare.length < mostSpare) this.#spare.push(buffer);
    });
    this.#buffer = null;
    this.#used = 0;
  }
}

function openFile(path: string, log: Logger): WriteStream {
  const stream = createWriteStream(path, { flags: 'a', mode: 0o640 });
  stream.on('error', (error) =>
    log.error({ path, error: messageOf(error) }, 'log file cannot be written; its lines are lost'),
  );
  return stream;
}
