// A client that writes frames as a test says, and tells what came back in words: `settings`, `pong 6162…`, `status 1 200`, `data 1 ok`,
// `end 1`, `reset 1 CANCEL`, `goaway PROTOCOL_ERROR protocol`, `closed`.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Test } from 'tap';
import { systemClock } from '../../../src/runtime/index.ts';
import { errorAnswer, type Exchange } from '../../../proxies/http1/index.ts';
import { createHttp2Front, type Http2Front, type Http2FrontOptions } from '../../../proxies/http2/index.ts';
import { HpackDecoder } from '../../../proxies/http2/hpack-decoder.ts';
import { FrameReader } from '../../../proxies/http2/frame-reader.ts';
import { errorCode, frameFlag, frameType, preface } from '../../../proxies/http2/frame-words.ts';

type Fields = readonly (readonly [name: string, value: string])[];

export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const header = Buffer.alloc(9);
  header.writeUIntBE(bytes.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, bytes]);
}

/** Fields as literals that are not indexed. */
export function block(fields: Fields): Buffer {
  const text = (value: string): Buffer =>
    Buffer.concat([
      Buffer.from(value.length < 127 ? [value.length] : longer(value.length)),
      Buffer.from(value, 'latin1'),
    ]);
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

function longer(length: number): number[] {
  const bytes = [0x7f];
  let left = length - 0x7f;
  for (; left >= 0x80; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return [...bytes, left];
}

export const usualFields = (method = 'GET', path = '/'): Fields => [
  [':method', method],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'a.example'],
];

export const { endStream, endHeaders } = frameFlag;

/** HEADERS of a request, whole; with a body to follow where `flags` are `endHeaders` alone. */
export const headers = (
  stream: number,
  fields: Fields = usualFields(),
  flags: number = endHeaders | endStream,
): Buffer => frame(frameType.headers, flags, stream, block(fields));

export const data = (stream: number, text: string, flags: number = endStream): Buffer =>
  frame(frameType.data, flags, stream, text);

export const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    bytes.writeUInt16BE(id, i * 6);
    bytes.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(frameType.settings, 0, 0, bytes);
}

/** Of the server's SETTINGS, which who takes his time must send. */
export const acknowledgement = frame(frameType.settings, frameFlag.ack, 0);

export const ping = (text: string, flags = 0): Buffer => frame(frameType.ping, flags, 0, text);

export const nameOfError = (code: number): string =>
  Object.keys(errorCode)
    .find((key) => errorCode[key as keyof typeof errorCode] === code)
    ?.replace(/[A-Z]/g, (letter) => `_${letter}`)
    .toUpperCase() ?? String(code);

export class FrameClient {
  readonly socket: Socket;
  readonly events: string[] = [];
  /** Fields of answers, by stream. */
  readonly answers = new Map<number, Fields>();
  readonly trailers = new Map<number, Fields>();
  readonly bodies = new Map<number, number>();
  /** Sizes of DATA frames with something in them, by stream. */
  readonly order: number[] = [];
  readonly #decoder = new HpackDecoder();
  #wake = (): void => undefined;
  #pings = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader();
    const sink = {
      isReading: true,
      onFrame: (type: number, flags: number, stream: number, bytes: Buffer, from: number, to: number) =>
        this.#onFrame(type, flags, stream, bytes.subarray(from, to)),
      onOversized: () => this.#tell('oversized'),
    };
    socket.on('data', (bytes: Buffer) => reader.feed(bytes, 0, bytes.length, sink));
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    socket.on('close', () => this.#tell('closed'));
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  async until(event: string | RegExp): Promise<string> {
    for (;;) {
      const found = this.events.find((one) => (typeof event === 'string' ? one === event : event.test(one)));
      if (found !== undefined) return found;
      if (this.events.includes('closed')) throw new Error(`closed without ${String(event)}: ${this.events.join(', ')}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** What came until all that was sent has been dealt with. */
  async settled(): Promise<readonly string[]> {
    const text = `sentry${String(this.#pings++).padStart(2, '0')}`;
    this.send(ping(text));
    while (!this.events.some((event) => event === `pong ${text}` || event === 'closed'))
      await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.events.filter((event) => !event.startsWith('pong sentry'));
  }

  #onFrame(type: number, flags: number, stream: number, payload: Buffer): void {
    if (type === frameType.settings) this.#tell((flags & frameFlag.ack) === 0 ? 'settings' : 'settings ack');
    else if (type === frameType.ping)
      this.#tell(`${(flags & frameFlag.ack) === 0 ? 'ping' : 'pong'} ${payload.toString('latin1')}`);
    else if (type === frameType.goaway) {
      const [code, why] = [payload.readUInt32BE(4), payload.toString('latin1', 8)];
      this.#tell(`goaway ${nameOfError(code)}${why === '' ? '' : ` ${why}`}`);
    } else if (type === frameType.rstStream) this.#tell(`reset ${stream} ${nameOfError(payload.readUInt32BE(0))}`);
    else if (type === frameType.windowUpdate) this.#tell(`window ${stream} ${payload.readUInt32BE(0)}`);
    else if (type === frameType.headers) this.#onHeaders(stream, payload);
    else if (type === frameType.data) {
      this.bodies.set(stream, (this.bodies.get(stream) ?? 0) + payload.length);
      if (payload.length > 0) this.order.push(stream);
      this.#tell(`data ${stream} ${payload.length > 60 ? payload.length : payload.toString('latin1')}`);
    }
    if ((type === frameType.data || type === frameType.headers) && (flags & frameFlag.endStream) !== 0)
      this.#tell(`end ${stream}`);
  }

  #onHeaders(stream: number, payload: Buffer): void {
    const fields: [string, string][] = [];
    const sink = {
      onField: (field: { name: { text: string }; value: string }) => void fields.push([field.name.text, field.value]),
    };
    if (!this.#decoder.decode(payload, 0, payload.length, sink, Infinity)) this.#tell('undecodable');
    const status = fields.find(([name]) => name === ':status')?.[1];
    if (status === undefined) this.trailers.set(stream, fields);
    else this.answers.set(stream, fields);
    this.#tell(status === undefined ? `trailers ${stream}` : `status ${stream} ${status}`);
  }

  #tell(event: string): void {
    this.events.push(event);
    this.#wake();
  }
}

export interface OpenedFront {
  readonly front: Http2Front;
  /** What handlers heard: `body N`, `trailers name: value`, `lost gone`. */
  readonly heard: string[];
  readonly faults: string[];
  /** Connected; `greets`: with preface and SETTINGS sent. */
  client(greets?: boolean): Promise<FrameClient>;
}

/** Answers each request, once it is whole, with its method and target. */
function answerWhole(exchange: Exchange, heard: string[]): void {
  let bytes = 0;
  exchange.handle({
    onRequestBody: (_bytes, from, to) => void (bytes += to - from),
    onRequestEnd(trailers) {
      heard.push(`body ${bytes}`);
      if (trailers !== null) heard.push(`trailers ${trailers.text.trim()}`);
      const { method, forwardTarget } = exchange.request;
      exchange.respond({ status: 200, fields: [], contentType: 'text/plain', body: `${method} ${forwardTarget}` });
    },
    onClientWritable: () => undefined,
    onClientLost: (loss) => void heard.push(`lost ${loss}`),
  });
  exchange.resumeBody();
}

export async function openFront(t: Test, options: Partial<Http2FrontOptions> = {}): Promise<OpenedFront> {
  const heard: string[] = [];
  const faults: string[] = [];
  const front = createHttp2Front({
    clock: systemClock,
    onExchange: (exchange) => answerWhole(exchange, heard),
    onRefused: (status, request) => errorAnswer({ status, detail: 'no', requestId: '' }, request?.fields ?? null),
    onFault: (reason) => faults.push(reason),
    ...options,
  });
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => front.accept(socket, false));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    front.destroy();
    server.close();
  });
  return {
    front,
    heard,
    faults,
    async client(greets = true) {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      await once(socket, 'connect');
      t.teardown(() => socket.destroy());
      const client = new FrameClient(socket);
      // All in one, as tests choose what comes next to the octet.
      if (greets) client.send(preface, settings(), acknowledgement);
      return client;
    },
  };
}
