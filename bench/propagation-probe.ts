// What the propagation benchmark looks at from outside: the answer of DNS, of a VIP and of a route, asked again and again until it is the
// one that is waited for; and DNS asked at a steady pace, whose slowest answer tells how long a worker's loop stood.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { request } from 'node:http';
import { monotonicMs } from './propagation-master.ts';

/** What nobody waits longer for. */
export const mostMs = 30_000;

/** Asks until `ask` gives `wanted`; the monotonic time when it did. Refusals while something moves count as another answer. */
export async function whenAnswered(ask: () => Promise<string>, wanted: string, patienceMs = mostMs): Promise<number> {
  const deadline = monotonicMs() + patienceMs;
  for (;;) {
    const answer = await ask().catch((error: unknown) => String(error));
    if (answer === wanted) return monotonicMs();
    if (monotonicMs() > deadline) throw new Error(`still "${answer}" in place of "${wanted}"`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The body of `GET /` by a new connection. */
export function askHttp(port: number, host: string, address = '127.0.0.1'): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: address, port, agent: false, headers: { host }, timeout: 5000 }, (answer) => {
      let body = '';
      answer.on('data', (part: Buffer) => (body += part.toString()));
      answer.on('end', () => resolve(body));
      answer.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error('no answer in 5 s')));
    call.on('error', reject);
    call.end();
  });
}

export interface DnsProbe {
  /** The port in the first SRV record of a name; '' without one. */
  srvPort(name: string): Promise<string>;
  /** Slowest answer since the last call, in milliseconds, and how many came; a query of which nothing was heard counts its age. */
  slowest(): { readonly milliseconds: number; readonly answers: number };
  /** Nothing that was asked until now counts. */
  forget(): void;
  /** The monotonic time of the next answer that is not SERVFAIL. */
  firstAnswer(): Promise<number>;
  stop(): void;
}

const paceMs = 5;

/** `paced`: the name that is asked for at the steady pace. */
export async function openDnsProbe(port: number, paced: string): Promise<DnsProbe> {
  const socket = createSocket('udp4');
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  const pending = new Map<number, { readonly at: number; readonly hear?: (bytes: Buffer) => void }>();
  let nextId = 1;
  let worst = 0;
  let answers = 0;
  const waiting: ((at: number) => void)[] = [];
  const ask = (name: string, hear?: (bytes: Buffer) => void): number => {
    const id = (nextId = (nextId % 65_535) + 1);
    pending.set(id, { at: monotonicMs(), ...(hear === undefined ? {} : { hear }) });
    socket.send(srvQuery(id, name), () => undefined);
    return id;
  };
  socket.on('message', (bytes: Buffer) => {
    const query = pending.get(bytes.readUInt16BE(0));
    pending.delete(bytes.readUInt16BE(0));
    if (query === undefined) return;
    if (query.hear !== undefined) return query.hear(bytes);
    // What was asked before anybody read it waited in the socket: it says nothing of a loop.
    if (answers === 0 && pending.size > 0)
      for (const [id, { hear }] of pending) if (hear === undefined) pending.delete(id);
    if (answers++ === 0) return;
    if ((bytes.readUInt16BE(2) & 15) === 0) for (const tell of waiting.splice(0)) tell(monotonicMs());
    worst = Math.max(worst, monotonicMs() - query.at);
  });
  // Ticks that come late are this process's own doing: only what was sent is waited for.
  const timer = setInterval(() => void ask(paced), paceMs);
  return {
    srvPort: (name) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error('no answer in 5 s')), 5000);
        ask(name, (bytes) => {
          clearTimeout(late);
          resolve(firstSrvPort(bytes));
        });
      }),
    slowest() {
      const result = { milliseconds: worst, answers };
      worst = 0;
      answers = 1;
      return result;
    },
    forget() {
      pending.clear();
      worst = 0;
      answers = 0;
    },
    firstAnswer: () => new Promise((resolve) => waiting.push(resolve)),
    stop() {
      clearInterval(timer);
      closeQuietly(socket);
    },
  };
}

function closeQuietly(socket: Socket): void {
  socket.removeAllListeners('message');
  socket.close();
}

function srvQuery(id: number, name: string): Buffer {
  const labels = `${name}.`.split('.').map((label) => String.fromCharCode(label.length) + label);
  const wire = Buffer.from(labels.join(''), 'latin1');
  const bytes = Buffer.alloc(12 + wire.length + 4);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(1, 4);
  wire.copy(bytes, 12);
  bytes.writeUInt16BE(33, 12 + wire.length);
  bytes.writeUInt16BE(1, 14 + wire.length);
  return bytes;
}

/** The first answer follows the question, with a pointer to it as its owner. */
function firstSrvPort(bytes: Buffer): string {
  if (bytes.readUInt16BE(6) === 0) return '';
  let at = 12;
  while (bytes[at] !== 0) at += (bytes[at] ?? 0) + 1;
  return String(bytes.readUInt16BE(at + 5 + 12 + 4));
}
