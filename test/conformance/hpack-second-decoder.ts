// A second reader of header blocks: a server of node:http2 (nghttp2's decoder), fed with one block a stream over a real connection.

import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { frameFlag, frameType, frameHeaderBytes, preface } from '../../proxies/http2/frame-words.ts';

type Fields = readonly (readonly [name: string, value: string])[];

interface SecondDecoder {
  /** Null where it refuses the block, and all that follow. */
  decode(block: Buffer): Promise<Fields | null>;
  close(): Promise<void>;
}

export async function openSecondDecoder(): Promise<SecondDecoder> {
  let answer: (fields: Fields | null) => void = () => undefined;
  const server: Http2Server = createServer({ maxHeaderListPairs: 1000 });
  server.on('stream', (stream: ServerHttp2Stream, _headers, _flags, raw: readonly string[]) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 204 }, { endStream: true });
    answer(Array.from({ length: raw.length / 2 }, (_, i) => [raw[i * 2] ?? '', raw[i * 2 + 1] ?? ''] as const));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket: Socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket
    .on('error', () => undefined)
    .on('close', () => answer(null))
    .resume();
  socket.write(Buffer.concat([preface, frame(frameType.settings, 0, 0, Buffer.alloc(0))]));
  let stream = -1;
  return {
    decode(block) {
      stream += 2;
      const decoded = new Promise<Fields | null>((resolve) => (answer = resolve));
      socket.write(frame(frameType.headers, frameFlag.endHeaders | frameFlag.endStream, stream, block));
      return decoded;
    },
    async close() {
      socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}
