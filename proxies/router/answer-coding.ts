// Compression of answers on their way, for routes that ask for it and clients that take it (RFC 9110 §8.4, §12.5.3). Streams: what the
// client does not read stops the backend.

import { constants, createBrotliCompress, createGzip, type BrotliCompress, type Gzip } from 'node:zlib';
import type { Exchange, FieldList, RequestView, ResponseHead } from '../http1/index.ts';

export type Coding = 'gzip' | 'br';

/** Smaller bodies grow by it, or win nothing. */
const leastBytes = 512;

const compressible =
  /^(?:text\/(?!event-stream)|application\/(?:javascript|json|xml|wasm|manifest\+json|[a-z0-9.+-]+\+(?:json|xml))|image\/svg\+xml|font\/(?:ttf|otf))/i;

/** What this answer can be coded in; null: it goes as it is. */
export function codingFor(request: RequestView, head: ResponseHead): Coding | null {
  const { fields, status } = head;
  if (request.method === 'HEAD' || status < 200 || status === 206 || head.framing === 'none') return null;
  if (head.framing === 'length' && head.contentLength < leastBytes) return null;
  if (fields.get('content-encoding') !== null || !compressible.test(fields.get('content-type') ?? '')) return null;
  if (/(?:^|,)\s*no-transform\s*(?:,|$)/i.test(fields.get('cache-control') ?? '')) return null;
  return acceptedCoding(request.fields.get('accept-encoding') ?? '');
}

/** The better of the two by the client's weights, brotli where they are equal. */
export function acceptedCoding(field: string): Coding | null {
  const weights = new Map<string, number>();
  for (const item of field.split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const number = weight === undefined ? 1 : Number(weight);
    if (name !== '') weights.set(name, Number.isFinite(number) ? number : 0);
  }
  const br = weights.get('br') ?? weights.get('*') ?? 0;
  const gzip = weights.get('gzip') ?? weights.get('*') ?? 0;
  if (br <= 0 && gzip <= 0) return null;
  return br >= gzip ? 'br' : 'gzip';
}

/** Lines and lost fields of an answer that is coded: other bytes than those that the backend's strong tag names. */
export function codedFields(
  coding: Coding,
  fields: FieldList,
): { readonly gone: readonly string[]; readonly lines: string } {
  const tag = fields.get('etag');
  const weak = tag === null || tag.startsWith('W/') ? '' : `ETag: W/${tag}\r\n`;
  return {
    gone: ['content-md5', 'accept-ranges', 'digest', ...(weak === '' ? [] : ['etag'])],
    lines: `Content-Encoding: ${coding}\r\nVary: Accept-Encoding\r\n${weak}`,
  };
}

export interface CoderOptions {
  readonly coding: Coding;
  readonly exchange: Exchange;
  /** The coder takes more, after `write` returned false. */
  readonly onDrain: () => void;
  /** All is written to the client; the exchange may end. */
  readonly onEnd: () => void;
  readonly onError: () => void;
}

/** Compresses for one exchange. */
export class AnswerCoder {
  readonly #stream: Gzip | BrotliCompress;
  #dirty = false;

  constructor({ coding, exchange, onDrain, onEnd, onError }: CoderOptions) {
    const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
    this.#stream = coding === 'gzip' ? createGzip({ level: 5 }) : createBrotliCompress(quality);
    this.#stream.on('data', (bytes: Buffer) => {
      if (!exchange.writeAnswer(bytes, 0, bytes.length, null)) this.#stream.pause();
      exchange.flush();
    });
    this.#stream.on('drain', onDrain).on('end', onEnd).on('error', onError);
  }

  /** Copies: the bytes are lent, and coding takes its time. */
  write(bytes: Buffer, from: number, to: number): boolean {
    this.#dirty = true;
    return this.#stream.write(Buffer.from(bytes.subarray(from, to)));
  }

  /** So that what a slow backend has said reaches the client before it says more. */
  flush(): void {
    if (!this.#dirty || this.#stream.writableEnded) return;
    this.#dirty = false;
    this.#stream.flush();
  }

  end(): void {
    this.#stream.end();
  }

  resume(): void {
    this.#stream.resume();
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
