// Stream: reads one SUBSCRIBE answer to its end, folding its records into the session. The huge first record never becomes one string.

import type { IncomingMessage } from 'node:http';
import { IsthmusError, messageOf } from '../../runtime/index.ts';
import { bodyOf } from './body.ts';
import { watchIdle, type IdleWatch } from '../idle.ts';
import { objectOf, textOf } from '../json.ts';
import { createSlices } from '../slices.ts';
import { createPictureBuilder, type PictureBuilder } from './picture.ts';
import { createRecordReader, recordLimits } from './recordio.ts';
import type { MesosSession } from './session.ts';
import { createSplitter, type Splitter } from './split.ts';

/** Records up to this are collected and parsed at once; larger ones are split as they come. */
const smallBytes = 256 * 1024;
const idleHeartbeats = 3;

const eventTypes: ReadonlySet<string> = new Set([
  'SUBSCRIBED',
  'HEARTBEAT',
  'TASK_ADDED',
  'TASK_UPDATED',
  'AGENT_ADDED',
  'AGENT_REMOVED',
  'FRAMEWORK_ADDED',
  'FRAMEWORK_UPDATED',
  'FRAMEWORK_REMOVED',
]);

/**
 * Reads until the stream ends, for whatever reason, and says which. `onSubscribed` is called after the first picture was folded.
 * Never rejects except for bugs.
 */
export async function readStream(
  session: MesosSession,
  response: IncomingMessage,
  onSubscribed: () => void,
): Promise<string> {
  const { clock, limits } = session.options;
  const idle = watchIdle(clock, limits.firstByteMs, () => {
    response.destroy(
      new IsthmusError('UPSTREAM_TIMEOUT', 'nothing came for too long', { side: 'upstream', retryable: true }),
    );
  });
  const reader = new StreamReader(session, idle, onSubscribed);
  const chunks = bodyOf(response)[Symbol.asyncIterator]();
  const slices = createSlices(clock);
  let isFirst = true;
  try {
    for (;;) {
      const next = await nextChunk(chunks);
      if (typeof next === 'string') return next;
      if (isFirst) idle.limit(limits.idleMs);
      isFirst = false;
      idle.touch();
      const problem = await reader.take(next);
      if (problem !== null) return problem;
      await session.options.outbox.room();
      await slices.breathe();
    }
  } finally {
    idle.stop();
    response.destroy();
  }
}

/** The next bytes, or how the stream ended. */
async function nextChunk(chunks: AsyncIterator<unknown>): Promise<Buffer | string> {
  try {
    const next = await chunks.next();
    return next.done === true ? 'the master ended the stream' : (next.value as Buffer);
  } catch (error) {
    return `the stream broke: ${messageOf(error)}`;
  }
}

class StreamReader {
  readonly #session: MesosSession;
  readonly #idle: IdleWatch;
  readonly #onSubscribed: () => void;
  readonly #reader;
  #subscribed = false;
  #pieces: Buffer[] = [];
  #builder: PictureBuilder | null = null;
  #splitter: Splitter | null = null;

  constructor(session: MesosSession, idle: IdleWatch, onSubscribed: () => void) {
    this.#session = session;
    this.#idle = idle;
    this.#onSubscribed = onSubscribed;
    this.#reader = createRecordReader({ ...recordLimits, firstBytes: session.options.recordBytes });
  }

  /** Folds the records of a chunk; a text says why the stream cannot be read on. */
  async take(chunk: Buffer): Promise<string | null> {
    for (const token of this.#reader.push(chunk)) {
      switch (token.kind) {
        case 'begin':
          this.#pieces = [];
          if (token.bytes > smallBytes) this.#startSplitting();
          break;
        case 'piece':
          if (this.#splitter !== null) this.#splitter.push(token.piece);
          else this.#pieces.push(Buffer.from(token.piece));
          break;
        case 'end': {
          const problem = await this.#record();
          if (problem !== null) return problem;
          break;
        }
        case 'broken':
          return `the stream cannot be read: ${token.reason}`;
      }
    }
    return null;
  }

  #startSplitting(): void {
    const skipped = (reason: string): void => this.#session.skipped(reason);
    this.#builder = createPictureBuilder(skipped);
    this.#splitter = createSplitter({ cuts: this.#builder.cuts, onBadElement: () => skipped('syntax') });
  }

  async #record(): Promise<string | null> {
    const { meters } = this.#session.options;
    const event = this.#parsed();
    if (event === undefined) {
      meters.skipped('record');
      return 'the stream cannot be read: a record is not JSON';
    }
    const type = textOf(objectOf(event)['type']) ?? '';
    meters.event(eventTypes.has(type) ? type : 'other');
    if (type === 'SUBSCRIBED') return this.#subscribedRecord(event);
    if (!this.#subscribed) return this.#forget();
    this.#session.heard();
    if (type === 'HEARTBEAT') return this.#forget();
    await this.#session.apply(event);
    return this.#forget();
  }

  /** The record as JSON: whole, or the skeleton of a split one; undefined where it is not JSON. */
  #parsed(): unknown {
    try {
      if (this.#splitter !== null) return this.#splitter.end();
      const bytes = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces);
      return JSON.parse(bytes.toString('utf8')) as unknown;
    } catch {
      return this.#splitAgain();
    }
  }

  /** One bad task must not cost the whole picture: what is not JSON as a whole is split. */
  #splitAgain(): unknown {
    if (this.#splitter !== null) return undefined;
    this.#startSplitting();
    for (const piece of this.#pieces) (this.#splitter as Splitter | null)?.push(piece);
    try {
      return (this.#splitter as Splitter | null)?.end();
    } catch {
      return undefined;
    }
  }

  async #subscribedRecord(event: unknown): Promise<null> {
    if (this.#builder === null) {
      this.#startSplitting();
      for (const piece of this.#pieces) (this.#splitter as Splitter | null)?.push(piece);
    }
    const skeleton = (this.#splitter as Splitter | null)?.end() ?? event;
    const picture = (this.#builder as PictureBuilder | null)?.finish(skeleton);
    this.#forget();
    if (picture === undefined) return null;
    const { idleMs } = this.#session.options.limits;
    this.#idle.limit(picture.heartbeatMs === null ? null : Math.max(idleHeartbeats * picture.heartbeatMs, idleMs));
    await this.#session.load(picture, true);
    this.#idle.touch();
    this.#subscribed = true;
    this.#onSubscribed();
    return null;
  }

  #forget(): null {
    this.#pieces = [];
    this.#builder = null;
    this.#splitter = null;
    return null;
  }
}
