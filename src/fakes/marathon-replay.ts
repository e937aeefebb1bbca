// A recorded Marathon: answers its reads with what was recorded, and plays its recorded stream of events when told to.
import http from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sendText } from './response-body.ts';

export interface MarathonRecording {
  // Documents of /v2/apps, /v2/info, /v2/tasks and /v2/pods::status, as they stand; what is left out is answered with 404.
  readonly apps?: unknown;
  readonly info?: unknown;
  readonly tasks?: unknown;
  readonly pods?: unknown;
  // Bytes of /v2/events, heartbeats and all.
  readonly events?: Uint8Array;
}

export interface MarathonReplay {
  readonly url: string;
  // How often a path was read so far.
  reads(path: string): number;
  // Sends the recorded events to whoever is attached, in pieces that cut frames anywhere. Resolves when all are written.
  play(): Promise<void>;
  // Streams of events that are open.
  subscribers(): number;
  close(): Promise<void>;
}

// Odd, so that it cuts between \r and \n too.
const PIECE_BYTES = 97;

export async function startMarathonReplay(recording: MarathonRecording): Promise<MarathonReplay> {
  const documents = new Map<string, unknown>([
    ['/v2/apps', recording.apps],
    ['/v2/info', recording.info],
    ['/v2/tasks', recording.tasks],
    ['/v2/pods::status', recording.pods],
  ]);
  const counts = new Map<string, number>();
  const streams = new Set<ServerResponse>();
  const server = http.createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://marathon').pathname;
    counts.set(path, (counts.get(path) ?? 0) + 1);
    const found = documents.get(path);
    if (path === '/v2/events' && recording.events !== undefined) {
      response.removeHeader('transfer-encoding');
      response.writeHead(200, { 'content-type': 'text/event-stream;charset=utf-8', connection: 'close' });
      response.flushHeaders();
      streams.add(response);
      response.once('close', () => streams.delete(response));
    } else if (found === undefined) sendText(request, response, 404, 'application/json', '{"message":"Not found"}');
    else sendText(request, response, 200, 'application/json', JSON.stringify(found));
  });
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${String(port)}`,
    reads: (path) => counts.get(path) ?? 0,
    async play() {
      const bytes = recording.events ?? new Uint8Array();
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        for (const stream of streams) stream.write(bytes.subarray(at, at + PIECE_BYTES));
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    subscribers: () => streams.size,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
