// A small client for tests of the fakes: raw requests, RecordIO and event streams read as they arrive.
import http from 'node:http';
import net from 'node:net';

interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

export function request(url: string, options: http.RequestOptions = {}, body?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = http.request(url, { agent: false, ...options }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export const JSON_TYPE = { 'content-type': 'application/json' };

export function call(base: string, type: string, headers: http.OutgoingHttpHeaders = {}): Promise<Reply> {
  return request(`${base}/api/v1`, { method: 'POST', headers: { ...JSON_TYPE, ...headers } }, JSON.stringify({ type }));
}

export async function json(
  url: string,
  method = 'GET',
  body?: unknown,
): Promise<{ status: number; json: Record<string, unknown> }> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const reply = await request(url, { method, headers: { ...JSON_TYPE, accept: 'application/json' } }, text);
  return {
    status: reply.status,
    json: reply.body.length === 0 ? {} : (JSON.parse(reply.body.toString()) as Record<string, unknown>),
  };
}

interface Wire {
  readonly headers: http.IncomingHttpHeaders;
  readonly chunks: readonly Buffer[];
  bytes(): Buffer;
  // Resolves when the condition holds for what has arrived, or the stream has ended.
  until(condition: (bytes: Buffer) => boolean): Promise<Buffer>;
  readonly ended: Promise<'end' | 'error'>;
  close(): void;
}

export function open(url: string, options: http.RequestOptions, body?: string): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const sent = http.request(url, { agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      const waiters = new Set<() => void>();
      const wake = (): void => {
        for (const waiter of [...waiters]) waiter();
      };
      let over = false;
      const ended = new Promise<'end' | 'error'>((done) => {
        response.on('end', () => {
          done('end');
        });
        response.on('error', () => {
          done('error');
        });
        response.on('aborted', () => {
          done('error');
        });
      });
      void ended.then(() => {
        over = true;
        wake();
      });
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        wake();
      });
      const bytes = (): Buffer => Buffer.concat(chunks);
      resolve({
        headers: response.headers,
        chunks,
        bytes,
        ended,
        until: (condition) =>
          new Promise((done) => {
            const check = (): void => {
              if (!over && !condition(bytes())) return;
              waiters.delete(check);
              done(bytes());
            };
            waiters.add(check);
            check();
          }),
        close() {
          sent.destroy();
        },
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export function subscribe(base: string, headers: http.OutgoingHttpHeaders = {}): Promise<Wire> {
  const options = { method: 'POST', headers: { ...JSON_TYPE, ...headers } };
  return open(`${base}/api/v1`, options, '{"type":"SUBSCRIBE"}');
}

type Event = Record<string, unknown> & { readonly type: string };

// The whole records that have arrived so far.
export function records(bytes: Buffer): readonly Event[] {
  const found: Event[] = [];
  for (let at = 0; at < bytes.length;) {
    const newline = bytes.indexOf(10, at);
    if (newline < 0) break;
    const length = Number(bytes.toString('latin1', at, newline));
    const end = newline + 1 + length;
    if (!Number.isInteger(length) || end > bytes.length) break;
    found.push(JSON.parse(bytes.toString('utf8', newline + 1, end)) as Event);
    at = end;
  }
  return found;
}

export async function recordsUntil(wire: Wire, count: number): Promise<readonly Event[]> {
  return records(await wire.until((bytes) => records(bytes).length >= count));
}

// The raw bytes a server sends back on one connection until it closes or the condition holds.
export function raw(
  url: string,
  text: string,
  condition: (bytes: string) => boolean,
): Promise<{ text: string; segments: string[] }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const segments: string[] = [];
    const socket = net.connect({ host: hostname, port: Number(port) }, () => socket.write(text));
    const done = (): void => {
      socket.destroy();
      resolve({ text: segments.join(''), segments });
    };
    socket.on('data', (piece) => {
      segments.push(piece.toString('latin1'));
      if (condition(segments.join(''))) done();
    });
    socket.on('end', done);
    socket.on('error', reject);
  });
}
