// The file source: a picture of a cluster in a file that somebody else writes, followed as it changes.

import { watch as watchFolder } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Picture } from '../cluster/index.ts';
import type { Orchestrator } from '../ports/index.ts';
import { codeOf, messageOf, sleep, type Clock, type Logger, type Metrics } from '../runtime/index.ts';
import { changesBetween } from './changes.ts';
import { readFilePicture, type FileReading } from './file-reader.ts';
import { createMeters, type Meters } from './meters.ts';
import { watchBy, type Outbox } from './outbox.ts';

export interface FileOptions {
  readonly path: string;
  /** The Marathon that wrote it, where the file holds apps; `marathon` by default. */
  readonly name?: string | undefined;
  /** Between two looks at the file's status, beside the system's own notices, in milliseconds. */
  readonly lookMs?: number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

const defaultLookMs = 1000;
/** A writer that is half-way gets this long before the file is read again. */
const settleMs = 20;
const tellEveryMs = 5000;

/**
 * Follows one file: Mesos `/state`, GET_STATE, SUBSCRIBED, operator-API events (one JSON a line, or RecordIO) or Marathon `/v2/apps`,
 * told apart by content. A file that is absent or cannot be read is lost contact; what was read last stays.
 */
export function createFileOrchestrator(options: FileOptions): Orchestrator {
  const name = `file:${options.path}`;
  return {
    name,
    watch: (signal) => watchBy(signal, (outbox, stopping) => new FileFollower(name, options, outbox).follow(stopping)),
  };
}

class FileFollower {
  readonly #name: string;
  readonly #options: FileOptions;
  readonly #outbox: Outbox;
  readonly #meters: Meters;
  /** Status of the file as last read; null: not read. */
  #seen: string | null = null;
  #picture: Picture | null = null;
  #lostReason: string | null = null;
  #toldAt = 0;

  constructor(name: string, options: FileOptions, outbox: Outbox) {
    this.#name = name;
    this.#options = options;
    this.#outbox = outbox;
    this.#meters = createMeters(options.metrics, name);
  }

  async follow(signal: AbortSignal): Promise<void> {
    const { clock, lookMs = defaultLookMs } = this.#options;
    let notice = new AbortController();
    const stopWatching = watchName(this.#options.path, () => notice.abort());
    try {
      while (!signal.aborted) {
        notice = new AbortController();
        await this.#look();
        await this.#outbox.room();
        await sleep(clock, lookMs, AbortSignal.any([signal, notice.signal]));
        if (notice.signal.aborted) await sleep(clock, settleMs, signal);
      }
    } finally {
      stopWatching();
    }
  }

  /** Reads the file if its status is not that of the last reading. */
  async #look(): Promise<void> {
    try {
      const status = await stat(this.#options.path, { bigint: true });
      const mark = `${status.dev}:${status.ino}:${status.size}:${status.mtimeNs}:${status.ctimeNs}`;
      if (mark === this.#seen) return this.#still();
      const bytes = await readFile(this.#options.path);
      this.#seen = mark;
      this.#take(await readFilePicture(bytes, this.#readerOptions()));
    } catch (error) {
      this.#seen = null;
      const absent = codeOf(error) === 'ENOENT';
      this.#lost(absent ? `${this.#options.path} is not there` : `${this.#options.path}: ${messageOf(error)}`);
    }
  }

  /** Unchanged, and there: that is a word of the source too. */
  #still(): void {
    const { clock } = this.#options;
    if (this.#lostReason !== null || clock.monotonic() - this.#toldAt < tellEveryMs) return;
    this.#contact();
  }

  #contact(): void {
    const { clock } = this.#options;
    this.#toldAt = clock.monotonic();
    this.#outbox.put([{ type: 'contact', source: this.#name, at: clock.now() }]);
  }

  #readerOptions(): Parameters<typeof readFilePicture>[1] {
    const { name = 'marathon', clock } = this.#options;
    return { name, clock, onSkipped: (reason) => this.#meters.skipped(reason) };
  }

  #take(reading: FileReading): void {
    if (reading.kind === 'bad') return this.#lost(`${this.#options.path}: ${reading.reason}`);
    const former = this.#picture;
    this.#picture = reading.picture;
    this.#lostReason = null;
    this.#meters.event('reading');
    this.#contact();
    this.#outbox.put(
      former === null ? [{ type: 'resync', picture: reading.picture }] : changesBetween(former, reading.picture),
    );
  }

  #lost(reason: string): void {
    if (this.#lostReason === reason) return;
    if (this.#lostReason === null)
      this.#options.log.warn({ source: this.#name, reason }, 'Cannot read the cluster file');
    this.#lostReason = reason;
    this.#outbox.put([{ type: 'lost-contact', source: this.#name, at: this.#options.clock.now(), reason }]);
  }
}

/**
 * Watches the folder, since a file that is replaced by renaming takes its watch along. Where the system gives no notices (or the folder
 * is not there) looking at intervals has to do.
 */
function watchName(path: string, onNotice: () => void): () => void {
  try {
    const name = basename(path);
    const watcher = watchFolder(dirname(path), { persistent: false }, (_event, changed) => {
      if (changed === null || changed === name) onNotice();
    });
    watcher.on('error', () => watcher.close());
    return () => watcher.close();
  } catch {
    return () => undefined;
  }
}
