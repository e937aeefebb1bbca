// One subscriber of a fake master: the snapshot, then events in order, through whatever faults are switched on.
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Writable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { until } from './fault-switches.ts';
import type { Switches } from './fault-switches.ts';
import type { MasterFaults } from './master-faults.ts';
import { encodeRecord } from './recordio.ts';
import { gather } from './response-body.ts';

// A record that is generated while it is written: twice where nobody knows its length, which goes first.
interface GeneratedRecord {
  parts(): Iterable<string>;
  bytes(): number | undefined;
}

// Bytes of whole records, or one that is generated.
type StreamItem = Uint8Array | GeneratedRecord;

const HEARTBEAT = encodeRecord('{"type":"HEARTBEAT"}');
const ONE_WRITE_BYTES = 1024 * 1024;

export class MasterStream {
  readonly #response: ServerResponse;
  readonly #out: Writable;
  readonly #switches: Switches<MasterFaults>;
  readonly #queue: StreamItem[] = [];
  readonly closed: Promise<void>;
  #isClosed = false;
  #pumping = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #stopWatching: () => void;

  // heartbeatMs is the version's and the options' interval; undefined for versions without heartbeats.
  constructor(response: ServerResponse, switches: Switches<MasterFaults>, heartbeatMs: number | undefined) {
    this.#response = response;
    this.#switches = switches;
    this.#out = switches.values.gzipStream ? zippedInto(response) : response;
    this.closed = new Promise((resolve) => {
      response.once('close', () => {
        this.#isClosed = true;
        clearInterval(this.#timer);
        this.#stopWatching();
        resolve();
      });
    });
    this.#stopWatching = switches.onChange(() => {
      this.#armHeartbeat(heartbeatMs);
    });
    this.#armHeartbeat(heartbeatMs);
  }

  push(item: StreamItem): void {
    if (this.#isClosed || this.#switches.values.silentSubscribe) return;
    this.#queue.push(item);
    void this.#pump();
  }

  heartbeat(): void {
    this.push(HEARTBEAT);
  }

  // Written at once, ahead of what is queued: for bytes that are meant to be wrong.
  raw(bytes: Uint8Array): void {
    this.#out.write(bytes);
  }

  end(): void {
    this.#out.end();
    this.#response.socket?.end();
  }

  // The connection closes without the chunk that would end the body.
  cut(): void {
    // What was just written is still corked.
    setImmediate(() => this.#response.socket?.destroySoon());
  }

  reset(): void {
    this.#response.socket?.resetAndDestroy();
  }

  #armHeartbeat(heartbeatMs: number | undefined): void {
    const { heartbeat, heartbeatMs: faulty } = this.#switches.values;
    const interval = faulty ?? heartbeatMs;
    clearInterval(this.#timer);
    if (!heartbeat || interval === undefined || this.#isClosed) return;
    this.#timer = setInterval(() => {
      this.heartbeat();
    }, interval);
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    for (let item = this.#queue.shift(); item !== undefined && !this.#isClosed; item = this.#queue.shift()) {
      if ('parts' in item) await this.#writeGenerated(item);
      else await this.#write(item);
    }
    this.#pumping = false;
  }

  async #writeGenerated(record: GeneratedRecord): Promise<void> {
    const known = record.bytes();
    if (known !== undefined && known > ONE_WRITE_BYTES) return this.#writePieces(known, record);
    let bytes = 0;
    const kept: Buffer[] = [];
    for await (const piece of gather(record.parts())) {
      bytes += piece.length;
      if (bytes <= ONE_WRITE_BYTES) kept.push(piece);
    }
    if (bytes > ONE_WRITE_BYTES) return this.#writePieces(bytes, record);
    await this.#write(Buffer.concat([Buffer.from(`${String(bytes)}\n`), ...kept]));
  }

  async #writePieces(bytes: number, record: GeneratedRecord): Promise<void> {
    await this.#write(Buffer.from(`${String(bytes)}\n`));
    for await (const piece of gather(record.parts())) {
      if (this.#isClosed) return;
      await this.#write(piece);
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (this.#switches.values.delayMs > 0) await sleep(this.#switches.values.delayMs);
    for (let at = 0; at < bytes.length && !this.#isClosed;) {
      await Promise.race([until(this.#switches, (faults) => !faults.stall && !faults.halfOpen), this.closed]);
      // The wait may have ended because the stream did.
      if (this.#out.writableEnded || this.#out.destroyed) return;
      const size = this.#switches.values.chunkBytes ?? bytes.length;
      const room = this.#out.write(bytes.subarray(at, at + size));
      at += size;
      // Writes of one turn are joined into one segment.
      if (this.#switches.values.chunkBytes !== null) await new Promise((resolve) => setImmediate(resolve));
      if (!room) await Promise.race([new Promise((resolve) => this.#out.once('drain', resolve)), this.closed]);
    }
  }
}

function zippedInto(response: ServerResponse): Writable {
  const zip = createGzip({ flush: 2 });
  zip.pipe(response);
  return zip;
}
