// RecordIO: `LENGTH\n` and that many bytes, again and again (specs/orchestrator.md §1.3). Reads whatever pieces the network gives.

const mostDigits = 12;
const mebibyte = 1024 * 1024;

export type RecordToken =
  /** A record of `bytes` bytes starts. */
  | { readonly kind: 'begin'; readonly bytes: number }
  /** The next bytes of the record: part of the chunk that was pushed, to be copied if it is kept. */
  | { readonly kind: 'piece'; readonly piece: Buffer }
  | { readonly kind: 'end' }
  /** Nothing after this can be read: the connection is to be dropped. */
  | { readonly kind: 'broken'; readonly reason: string };

export interface RecordReader {
  /** What `chunk` brings. To be read to its end before the next push. */
  push(chunk: Buffer): Iterable<RecordToken>;
  /** Whether the stream may end here without a loss. */
  atBoundary(): boolean;
}

export interface RecordLimits {
  readonly firstBytes: number;
  readonly laterBytes: number;
}

/** The first record is the whole cluster; those after it are single events. */
export const recordLimits: RecordLimits = { firstBytes: 4096 * mebibyte, laterBytes: 64 * mebibyte };

/** Reads RecordIO. Lengths have at most 12 digits; blanks before them and empty records are passed over, as mesos-go does. */
export function createRecordReader(limits: RecordLimits = recordLimits): RecordReader {
  let digits = '';
  let remaining = 0;
  let records = 0;
  let broken = false;

  /** Reads length digits from `at`; gives the offset after the newline, or -1 where the chunk ends first. */
  function readLength(chunk: Buffer, at: number): number {
    for (let i = at; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (byte === 0x0a) return i + 1;
      if (digits === '' && (byte === 0x20 || byte === 0x0d)) continue;
      digits += String.fromCharCode(byte);
      if (byte < 0x30 || byte > 0x39 || digits.length > mostDigits) {
        broken = true;
        return -1;
      }
    }
    return -1;
  }

  function* push(chunk: Buffer): Generator<RecordToken> {
    let at = 0;
    while (at < chunk.length && !broken) {
      if (remaining === 0) {
        at = readLength(chunk, at);
        if (broken) yield { kind: 'broken', reason: `bad record length ${JSON.stringify(digits)}` };
        if (at < 0) return;
        const bytes = Number(digits);
        digits = '';
        const most = records === 0 ? limits.firstBytes : limits.laterBytes;
        if (bytes > most) {
          broken = true;
          yield { kind: 'broken', reason: `record of ${bytes} bytes, at most ${most} are taken` };
          return;
        }
        if (bytes === 0) continue;
        records++;
        remaining = bytes;
        yield { kind: 'begin', bytes };
      }
      const end = Math.min(chunk.length, at + remaining);
      if (end > at) yield { kind: 'piece', piece: chunk.subarray(at, end) };
      remaining -= end - at;
      at = end;
      if (remaining === 0) yield { kind: 'end' };
    }
  }

  return { push, atBoundary: () => remaining === 0 && digits === '' && !broken };
}
