// A backend that writes frames as a test says, and tells what it was sent in the words of `FrameClient`.

import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { Test } from 'tap';
import { FrameReader } from '../../../proxies/http2/frame-reader.ts';
import { frameFlag, frameType, preface } from '../../../proxies/http2/frame-words.ts';
import { nameOfError, settings } from './frame-client.ts';

export class FrameBackend {
  readonly port: number;
  readonly events: string[] = [];
  readonly sockets: Socket[] = [];

  constructor(port: number) {
    this.port = port;
  }

  /** On the connection that came last. */
  send(...frames: readonly Buffer[]): void {
    this.sockets.at(-1)?.write(Buffer.concat(frames));
  }
}

export type OnRequest = (backend: FrameBackend, stream: number) => void;

/** `greeting`: SETTINGS, or what a test wants instead. `onRequest` hears of each HEADERS frame. */
export async function openFrameBackend(
  t: Test,
  onRequest: OnRequest,
  greeting: Buffer = settings(),
): Promise<FrameBackend> {
  const server = createServer({ noDelay: true }, (socket) => {
    backend.sockets.push(socket);
    const reader = new FrameReader();
    let seen = 0;
    const sink = {
      isReading: true,
      onFrame: (type: number, flags: number, stream: number, bytes: Buffer, from: number, to: number) => {
        tell(type, flags, stream, bytes.subarray(from, to));
        if (type === frameType.headers) onRequest(backend, stream);
      },
      onOversized: () => void backend.events.push('oversized'),
    };
    socket.on('data', (bytes: Buffer) => {
      const skipped = Math.min(bytes.length, preface.length - seen);
      seen += skipped;
      reader.feed(bytes, skipped, bytes.length, sink);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => void backend.events.push('closed'));
    socket.write(greeting);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const backend = new FrameBackend((server.address() as AddressInfo).port);
  t.teardown(() => {
    for (const socket of backend.sockets) socket.destroy();
    server.close();
  });

  function tell(type: number, flags: number, stream: number, payload: Buffer): void {
    const { events } = backend;
    if (type === frameType.ping) events.push(`${(flags & frameFlag.ack) === 0 ? 'ping' : 'pong'}`);
    else if (type === frameType.goaway) events.push(`goaway ${nameOfError(payload.readUInt32BE(4))}`);
    else if (type === frameType.rstStream) events.push(`reset ${stream} ${nameOfError(payload.readUInt32BE(0))}`);
    else if (type === frameType.headers) events.push(`headers ${stream}`);
    else if (type === frameType.data) events.push(`data ${stream} ${payload.length}`);
    else if (type === frameType.windowUpdate) events.push(`window ${stream} ${payload.readUInt32BE(0)}`);
  }
  return backend;
}
