// A connection of HTTP/2 without a network: octets go in by call, frames come out and are read by the rules of a client.

import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { frameFlag, frameType } from '../../proxies/http2/frame-words.ts';
import { FrameReader } from '../../proxies/http2/frame-reader.ts';
import { HpackDecoder } from '../../proxies/http2/hpack-decoder.ts';

/** What a front needs of a socket. */
export class DeafSocket extends Duplex {
  readonly remoteAddress = '127.0.0.1';
  readonly localAddress = '127.0.0.1';
  readonly written: Buffer[] = [];

  asSocket(): Socket {
    return this as unknown as Socket;
  }

  destroySoon(): void {
    this.destroy();
  }

  resetAndDestroy(): this {
    return this.destroy();
  }

  override _read(): void {
    // Octets come by call.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(Buffer.from(chunk));
    done();
  }
}

export interface Heard {
  /** Bodies of answers with status 200, by stream. */
  readonly bodies: ReadonlyMap<number, string>;
  readonly hasLeft: boolean;
  readonly pongs: number;
  /** What no server may send; null: nothing. */
  readonly wrong: string | null;
}

/** Reads what a server wrote. */
export function readAnswers(written: readonly Buffer[]): Heard {
  const decoder = new HpackDecoder();
  const reader = new FrameReader();
  const bodies = new Map<number, string>();
  const ended = new Set<number>();
  let [hasLeft, pongs, wrong] = [false, 0, null as string | null];
  const sink = {
    isReading: true,
    onOversized: () => void (wrong = 'a frame that is too long'),
    onFrame(type: number, flags: number, stream: number, bytes: Buffer, from: number, to: number) {
      const isMessage = type === frameType.headers || type === frameType.data;
      if (isMessage && ended.has(stream)) wrong ??= `a frame on stream ${stream}, which had ended`;
      if (type === frameType.goaway) hasLeft = true;
      else if (type === frameType.ping) pongs++;
      else if (type === frameType.rstStream) ended.add(stream);
      else if (type === frameType.headers) {
        let status = '';
        const isWhole = decoder.decode(
          bytes,
          from,
          to,
          {
            onField({ name, value, isValid }) {
              if (!isValid) wrong ??= `a field ${JSON.stringify(name.text)} that is none`;
              if (name.text === ':status') status = value;
            },
          },
          Infinity,
        );
        if (!isWhole) wrong ??= 'a header block that is none';
        if (status === '200') bodies.set(stream, '');
      } else if (type === frameType.data && bodies.has(stream))
        bodies.set(stream, (bodies.get(stream) ?? '') + bytes.toString('latin1', from, to));
      if (isMessage && (flags & frameFlag.endStream) !== 0) ended.add(stream);
    },
  };
  for (const bytes of written) reader.feed(bytes, 0, bytes.length, sink);
  return { bodies, hasLeft, pongs, wrong };
}
